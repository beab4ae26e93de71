//! What seems to be missing on another host, by its news. The host knows better, and has the last word: names of
//! devices and who has what do not travel.

use wire::needs::{NeedTest, NeedValue};
use wire::news::{HostState, OfferState, OfferUnit};

use super::{Amount, Lack, Needs, amount};

/// What is missing there, if anything seems to be.
///
/// # Errors
/// What is missing.
pub fn lack_by_news(state: &HostState, needs: &Needs) -> Result<(), Lack> {
    let memory = state.memory_mib << 20;
    // Its own figure has not been cut to whole MiB.
    if memory > 0 && needs.memory > memory + (1 << 20) {
        return Err(Lack::too_little_memory(memory, needs.memory));
    }
    let mut taken = Ok(());
    for (at, need) in needs.named.iter().enumerate() {
        let name = need.name.as_str();
        let Some(offer) = state.offers.iter().find(|offer| offer.name == name) else {
            is_fact(state, name, &need.test)?;
            continue;
        };
        let said = amount_of(offer);
        match &need.test {
            NeedTest::There if offer.total == 0 => return Err(Lack::not_offered(name)),
            NeedTest::There => {}
            NeedTest::AtLeast(value) => {
                let wanted = amount(value).unwrap_or(0);
                if offer.total < wanted {
                    return Err(Lack::too_little(name, &said, wanted));
                }
            }
            NeedTest::Equal(_) if needs.named[..at].iter().any(|one| one.name == name && takes(&one.test)) => {}
            NeedTest::Equal(_) => {
                let all = needs.named.iter().filter(|one| one.name == name);
                let wanted = all.fold(0u64, |sum, one| match &one.test {
                    NeedTest::Equal(value) => sum.saturating_add(amount(value).unwrap_or(1)),
                    NeedTest::There | NeedTest::AtLeast(_) => sum,
                });
                if offer.total < wanted {
                    return Err(Lack::too_little(name, &said, wanted));
                }
                let out = offer.total.saturating_sub(offer.free);
                if offer.unit != OfferUnit::Flag && offer.free < wanted && taken.is_ok() {
                    taken = Err(match offer.unit {
                        OfferUnit::Bytes => Lack::bytes_taken(name, out, offer.total, wanted, &[]),
                        OfferUnit::Count | OfferUnit::Flag => Lack::taken(name, out, offer.total, wanted, &[]),
                    });
                }
            }
        }
    }
    taken
}

/// What is missing of the slots of a queue of which `running` are taken. Where they are not counted, the CPUs of the
/// host are the measure.
///
/// # Errors
/// What is missing. For one slot alone that is the queue's affair.
pub fn lack_of_slots(limit: Option<u32>, running: u32, cpus: u32, needs: &Needs) -> Result<(), Lack> {
    let wanted = needs.cpus;
    match limit {
        _ if wanted <= 1 => Ok(()),
        Some(limit) if wanted > limit => Err(Lack::Never(format!("{limit} slots in all, {wanted} needed"))),
        None if wanted > cpus => Err(Lack::Never(format!("{cpus} CPUs in all, {wanted} needed"))),
        Some(limit) if running.saturating_add(wanted) > limit => {
            let free = limit.saturating_sub(running);
            Err(Lack::Taken(format!("{free} of {limit} slots free, {wanted} needed")))
        }
        Some(_) | None => Ok(()),
    }
}

fn takes(test: &NeedTest) -> bool {
    matches!(test, NeedTest::Equal(_))
}

fn is_fact(state: &HostState, name: &str, test: &NeedTest) -> Result<(), Lack> {
    let (os, arch) = state.platform.split_once('/').unwrap_or((&state.platform, ""));
    let fact = match name {
        "os" => os,
        "arch" => arch,
        _ => "",
    };
    match test {
        NeedTest::Equal(NeedValue::Word(word)) if !fact.is_empty() => match fact == word {
            true => Ok(()),
            false => Err(Lack::other_fact(name, fact, word)),
        },
        _ => Err(Lack::not_offered(name)),
    }
}

fn amount_of(offer: &OfferState) -> Amount {
    match offer.unit {
        OfferUnit::Count => Amount::Count(offer.total),
        OfferUnit::Bytes => Amount::Bytes(offer.total),
        OfferUnit::Flag => Amount::Flag,
    }
}
