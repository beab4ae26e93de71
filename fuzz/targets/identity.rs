//! Keys, certificates and warrants: nothing unsigned is ever believed.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use wire::identity::{Authority, Certificate, ClusterKey, SecretKey, Trust, Warrant, parse_session_name};

static TRUST: LazyLock<Trust> = LazyLock::new(|| Authority::from_secret(SecretKey::from_seed(&[7; 32])).trust());

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else {
        return;
    };
    match (choice % 5, std::str::from_utf8(bytes)) {
        (0, _) => assert!(TRUST.verify(&Certificate(bytes.to_vec())).is_err()),
        (1, _) => {
            if let Ok(warrant) = serde_json::from_slice::<Warrant>(bytes) {
                assert!(warrant.verify(&[1; 32], &TRUST, 0).is_err());
            }
        }
        (2, Ok(text)) => {
            let _ = ClusterKey::parse(text);
        }
        (3, Ok(text)) => {
            let _ = parse_session_name(text);
        }
        (4, _) => {
            let _ = SecretKey::from_pkcs8(bytes);
        }
        _ => {}
    }
});
