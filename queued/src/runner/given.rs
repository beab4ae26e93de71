//! Variables that tell a job what it was given of its host.

use crate::core::resources::Taken;

/// Name and value of each.
///
/// `QUEUE_CPUS` is always there. An offer of which the job has some has its own, such as `QUEUE_OFFER_GPU=0,2` for
/// devices, and for what is only counted the number or the bytes. What CUDA uses follows the devices called `gpu`.
pub fn variables(taken: &Taken) -> Vec<(String, String)> {
    let mut all = vec![("QUEUE_CPUS".to_owned(), taken.cpus.max(1).to_string())];
    for (name, devices) in &taken.devices {
        let list = devices.join(",");
        if name == "gpu" {
            all.push(("CUDA_VISIBLE_DEVICES".to_owned(), list.clone()));
        }
        all.push((variable(name), list));
    }
    all.extend(taken.amounts.iter().map(|(name, amount)| (variable(name), amount.to_string())));
    all
}

fn variable(offer: &str) -> String {
    format!("QUEUE_OFFER_{}", offer.to_uppercase().replace(['-', '.'], "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_by_name() {
        let devices = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let taken = Taken {
            cpus: 4,
            devices: [("gpu".into(), devices(&["0", "2"])), ("tape-drive.x".into(), devices(&["/dev/st0"]))].into(),
            amounts: [("licence".into(), 3)].into(),
            ..Taken::default()
        };
        let told = variables(&taken).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let expected = [
            "QUEUE_CPUS=4",
            "CUDA_VISIBLE_DEVICES=0,2",
            "QUEUE_OFFER_GPU=0,2",
            "QUEUE_OFFER_TAPE_DRIVE_X=/dev/st0",
            "QUEUE_OFFER_LICENCE=3",
        ];
        assert_eq!(told, expected);
        assert_eq!(variables(&Taken::default()), [("QUEUE_CPUS".to_owned(), "1".to_owned())]);
    }
}
