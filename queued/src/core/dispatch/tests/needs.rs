//! Jobs that need something besides a slot go where it is, wait together, and hold up nobody else.

use wire::needs::Need;
use wire::news::{OfferState, OfferUnit};

use super::*;
use crate::core::resources::Needs;

/// A host that offers so many GPUs.
fn with_gpus(host: &str, total: u64, free: u64) -> HostNews {
    let mut news = news(host, 4, 0.0);
    news.state.offers = vec![OfferState { name: "gpu".into(), total, free, unit: OfferUnit::Count }];
    news
}

fn needing(id: u64, text: &str) -> Submission {
    let named = vec![Need::parse(text).expect("as a person writes it")];
    Submission { needs: Needs { named, ..Needs::default() }, ..queued(id) }
}

fn wide(id: u64, cpus: u32) -> Submission {
    Submission { needs: Needs { cpus, ..Needs::default() }, ..queued(id) }
}

/// As the host says it.
fn lacks(home: &mut Home, id: u64, host: &str, kind: RefusalKind) {
    let refusal = Refusal { message: "gpu: 1 of 1 taken by job 9@onefish".into(), kind };
    home.feed(Event::Refused { id: JobId(id), host: host.into(), refusal, rank: own_rank(1.0) });
}

#[test]
fn a_job_goes_where_it_is_offered_what_it_needs() {
    let mut home = Home::knowing(&[news("redfish", 16, 0.0), with_gpus("bluefish", 2, 1), with_gpus("onefish", 1, 1)]);
    home.feed(Event::Submitted(needing(1, "gpu=2")));
    let waits = home.waits_after_asking(1, "bluefish");
    assert_eq!(waits, "bluefish: gpu: 1 of 1 taken by job 9@onefish; waiting (0 ahead of you)");
    home.feed(Event::Submitted(needing(2, "tape")));
    let (kind, words) = home.refuses(2);
    assert_eq!(kind, RefusalKind::Impossible);
    assert!(
        words.starts_with("no host has what this needs: no tape is offered on bluefish, onefish, redfish"),
        "{words}"
    );
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("redfish".into()), ..needing(3, "gpu=1") }));
    assert_eq!(home.refuses(3), (RefusalKind::Impossible, "redfish: no gpu is offered".into()));
}

impl Home {
    /// It is asked although it seems to be full, so that it remembers; what the job is told then.
    fn waits_after_asking(&mut self, id: u64, host: &str) -> String {
        assert_eq!(self.asks(id).0, host);
        lacks(self, id, host, RefusalKind::Full);
        self.waits(id)
    }
}

#[test]
fn who_waits_for_a_resource_holds_up_nobody_else() {
    let mut home = Home::knowing(&[with_gpus("bluefish", 1, 1)]);
    home.feed(Event::Submitted(needing(1, "gpu=1")));
    let told = home.waits_after_asking(1, "bluefish");
    assert_eq!(told, "bluefish: gpu: 1 of 1 taken by job 9@onefish; waiting (0 ahead of you)");
    // Those who need the same wait with it, others are asked for at once.
    home.feed(Event::Submitted(needing(2, "gpu=1")));
    assert!(home.waits(2).ends_with("waiting (1 ahead of you)"));
    home.feed(Event::Submitted(queued(3)));
    assert_eq!(home.asks(3).0, "bluefish");
    home.reserve(3, "bluefish", 1.0);
    home.places(3);
    // A slot alone is not for them, and what is held for one of them is not for others.
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: None });
    assert_eq!(home.next(), Action::Decline { host: "bluefish".into(), queue: "wait".into() });
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: Some(JobId(2)) });
    assert_eq!(home.asks(1).0, "bluefish");
    home.reserve(1, "bluefish", 1.0);
    home.places(1);
    // The one that was meant is gone: another may need the same.
    home.feed(Event::SlotFreed { host: "bluefish".into(), queue: "wait".into(), job: Some(JobId(77)) });
    assert_eq!(home.asks(2).0, "bluefish");
    lacks(&mut home, 2, "bluefish", RefusalKind::Full);
    home.feed(Event::Ended { id: JobId(1), host: "bluefish".into(), rank: Some(own_rank(1.0)) });
    assert_eq!(home.asks(2).0, "bluefish", "it was this home's own job that had it");
    home.reserve(2, "bluefish", 1.0);
    home.places(2);
}

#[test]
fn a_host_that_could_never_is_not_asked_again_for_that_job() {
    let mut home = Home::knowing(&[with_gpus("bluefish", 1, 1), with_gpus("onefish", 1, 1)]);
    home.feed(Event::Submitted(needing(1, "gpu=x")));
    let (first, _) = home.asks(1);
    lacks(&mut home, 1, &first, RefusalKind::Impossible);
    let (second, _) = home.asks(1);
    assert_ne!(first, second);
    lacks(&mut home, 1, &second, RefusalKind::Impossible);
    assert_eq!(home.refuses(1).0, RefusalKind::Impossible);
}

#[test]
fn a_wide_job_takes_its_slots_at_home_too() {
    let mut home = Home::knowing(&[news("bluefish", 4, 0.0)]);
    home.feed(Event::Submitted(wide(1, 3)));
    assert_eq!(home.asks(1).0, "bluefish");
    home.reserve(1, "bluefish", 1.0);
    home.places(1);
    home.feed(Event::Submitted(wide(2, 2)));
    assert_eq!(
        home.waits_after_asking(2, "bluefish"),
        "bluefish: gpu: 1 of 1 taken by job 9@onefish; waiting (0 ahead of you)"
    );
    home.submit_queued(3);
    assert_eq!(home.asks(3).0, "bluefish");
    home.feed(Event::Cancelled { id: JobId(3) });
    home.feed(Event::Submitted(wide(4, 5)));
    assert_eq!(home.refuses(4), (RefusalKind::Impossible, "bluefish: 4 slots in all, 5 needed".into()));
    home.feed(Event::Ended { id: JobId(1), host: "bluefish".into(), rank: Some(own_rank(1.0)) });
    assert_eq!(home.asks(2).0, "bluefish");
    home.feed(Event::Cancelled { id: JobId(2) });
}

impl Home {
    fn submit_queued(&mut self, id: u64) {
        self.feed(Event::Submitted(queued(id)));
    }
}
