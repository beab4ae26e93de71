//! What [`Authority`] signs and how [`Trust`] judges it, with all the ways in which a certificate is not good.

use proptest::prelude::*;
use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, SanType};

use super::*;

const NOW: i64 = 1_800_000_000;

fn identity(kind: Kind) -> Identity {
    Identity { kind, cluster: "overwritten".into(), host: "redfish".into(), user: "alice".into() }
}

fn authority(seed: u8) -> Authority {
    Authority::from_secret(SecretKey::from_seed(&[seed; 32]))
}

/// The certificate of a client, made at `NOW`.
fn client(authority: &Authority) -> Certificate {
    authority.certify(&[7; 32], &identity(Kind::Client), Validity::client(NOW))
}

/// A certificate with these names for this key, made with other tools than ours.
fn foreign(issuer: &str, signer: &rcgen::KeyPair, names: Vec<SanType>, key: &rcgen::KeyPair) -> Certificate {
    let mut of_issuer = CertificateParams::default();
    of_issuer.distinguished_name = common_name(issuer);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    let certificate = params.signed_by(key, &rcgen::Issuer::from_params(&of_issuer, signer));
    Certificate(certificate.expect("these are good parameters").der().to_vec())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, DnValue::Utf8String(name.into()));
    distinguished
}

fn uri(text: &str) -> SanType {
    SanType::URI(Ia5String::try_from(text).expect("tests use ASCII"))
}

fn our_uri(authority: &Authority) -> SanType {
    uri(&Identity { cluster: authority.cluster(), ..identity(Kind::Client) }.to_uri())
}

fn ed25519() -> rcgen::KeyPair {
    rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("ring makes keys")
}

/// The authority's own key for other tools.
fn its_key(seed: u8) -> rcgen::KeyPair {
    let der = SecretKey::from_seed(&[seed; 32]).to_pkcs8();
    let der = rustls::pki_types::PrivatePkcs8KeyDer::from(der);
    rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der, &rcgen::PKCS_ED25519).expect("the standard form")
}

#[test]
fn what_the_authority_signs_is_verified() {
    let authority = authority(1);
    for kind in [Kind::Client, Kind::Runner, Kind::Host] {
        for validity in [Validity::client(NOW), Validity::runner(NOW), Validity::host()] {
            let certificate = authority.certify(&[7; 32], &identity(kind), validity);
            let verified = authority.trust().verify(&certificate).expect("just signed");
            let expected = Identity { cluster: authority.cluster(), ..identity(kind) };
            assert_eq!(verified.identity, expected);
            assert_eq!(verified.public_key, [7; 32]);
            assert_eq!(verified.not_before_unix, validity.not_before_unix);
            assert_eq!(verified.not_after_unix, validity.not_after_unix);
            assert_eq!(verified.at(NOW), Ok(()));
        }
    }
}

#[test]
fn holders_of_one_cluster_key_are_one_cluster() {
    let text = "queue-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 65b5d10c\n";
    let [one, other] =
        [text, text].map(|text| Authority::from_cluster_key(&ClusterKey::parse(text).expect("a good key")));
    assert!(other.trust().verify(&client(&one)).is_ok());
    // Two releases must derive the same from the same file.
    assert_eq!(
        one.trust().to_string(),
        "queue-authority-1 94c4e1560f8c1d7d6617051ca405e970f90319e64230bfe91df581ff8be98a8a"
    );
    assert_eq!(one.cluster(), "4ac3c213309ca7fb");
    let stranger = Authority::from_cluster_key(&ClusterKey::generate());
    assert!(stranger.trust().verify(&client(&one)).is_err());
}

#[test]
fn trust_is_one_line_of_text() {
    let trust = authority(1).trust();
    let text = trust.to_string();
    assert_eq!(text.parse::<Trust>(), Ok(trust.clone()));
    assert_eq!(format!("{text}\n").parse::<Trust>(), Ok(trust.clone()));
    let json = serde_json::to_string(&trust).expect("a string");
    assert_eq!(json, format!("{text:?}"));
    let read: Trust = serde_json::from_str(&json).expect("what we wrote");
    assert!(read.verify(&client(&authority(1))).is_ok());
    for wrong in
        ["", "queue-authority-1", "queue-authority-1 00", "queue-authority-2 00", &text[1..], &text.to_uppercase()]
    {
        assert_eq!(wrong.parse::<Trust>(), Err(TrustTextError), "{wrong}");
        assert!(serde_json::from_str::<Trust>(&format!("{wrong:?}")).is_err());
    }
}

#[test]
fn serial_numbers_are_never_the_same() {
    let authority = authority(1);
    let serials: std::collections::BTreeSet<Vec<u8>> = (0..100)
        .map(|_| {
            let der = rustls::pki_types::CertificateDer::from(client(&authority).0);
            webpki::EndEntityCert::try_from(&der).expect("just made").serial().to_vec()
        })
        .collect();
    assert_eq!(serials.len(), 100);
    assert!(serials.iter().all(|serial| serial.len() == 16));
}

#[test]
fn stale_certificates_name_the_clocks() {
    let verified = authority(1).trust().verify(&client(&authority(1))).expect("just signed");
    assert_eq!(verified.at(NOW + 600), Ok(()));
    let error = verified.at(NOW + 601).expect_err("over");
    assert_eq!(error, IdentityError::Stale { ended_s: 1, ahead_s: 601 });
    let error = verified.at(NOW + 900).expect_err("over");
    assert_eq!(
        error.to_string(),
        "this certificate ended 5 min ago: if it was just made, the clock here is 15 min ahead of the clock of the host \
         that made it"
    );
}

#[test]
fn early_certificates_name_the_clocks() {
    let verified = authority(1).trust().verify(&client(&authority(1))).expect("just signed");
    assert_eq!(verified.at(NOW - 300), Ok(()));
    let error = verified.at(NOW - 301).expect_err("not yet");
    assert_eq!(error, IdentityError::NotYet { begins_s: 1, behind_s: 301 });
    let error = verified.at(NOW - 420).expect_err("not yet");
    assert_eq!(
        error.to_string(),
        "this certificate begins in 2 min: the clock here is at least 7 min behind the clock of the host that made it"
    );
}

#[test]
fn a_stale_certificate_still_has_a_good_chain() {
    // The clock of the machine that runs this test is far from these dates.
    let old = authority(1).certify(&[7; 32], &identity(Kind::Client), Validity::client(1_000_000));
    assert!(authority(1).trust().verify(&old).is_ok());
}

#[test]
fn odd_dates_do_not_panic() {
    let authority = authority(1);
    for (not_before_unix, not_after_unix, good) in [
        (i64::MIN, i64::MAX, true),
        (0, 0, true),
        (-300, 600, true),
        (2_524_607_999, 2_524_608_000, true), // where DER changes its form of dates
        (600, 0, false),
    ] {
        let validity = Validity { not_before_unix, not_after_unix };
        let certificate = authority.certify(&[7; 32], &identity(Kind::Client), validity);
        let verified = authority.trust().verify(&certificate);
        assert_eq!(verified.is_ok(), good, "{validity:?}: {verified:?}");
        if let Ok(verified) = verified {
            assert_eq!(verified.not_before_unix, not_before_unix.max(0));
            assert_eq!(verified.not_after_unix, not_after_unix.min(253_402_300_799));
            let _ = (verified.at(i64::MIN), verified.at(i64::MAX));
        }
    }
    let _ = (Validity::client(i64::MIN), Validity::runner(i64::MAX));
}

#[test]
fn another_clusters_certificate_is_recognised() {
    let (ours, theirs) = (authority(1), authority(2));
    let error = ours.trust().verify(&client(&theirs)).expect_err("another cluster");
    let sentence = format!("signed by another cluster ({}), ours is {}", theirs.cluster(), ours.cluster());
    assert_eq!(error.to_string(), sentence);
}

#[test]
fn forged_certificates_are_recognised() {
    let ours = authority(1);
    let forged = IdentityError::Forged(ours.cluster());
    let judge = |certificate: &Certificate| ours.trust().verify(certificate).expect_err("forged");
    // Signed by itself or anybody, with the right names inside.
    for issuer in [ours.cluster(), "somebody".to_owned(), String::new()] {
        for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P256_SHA256] {
            let signer = rcgen::KeyPair::generate_for(algorithm).expect("ring makes keys");
            let certificate = foreign(&issuer, &signer, vec![our_uri(&ours)], &ed25519());
            assert_eq!(judge(&certificate), forged, "issuer {issuer:?}");
        }
    }
    // Really self-signed.
    let key = ed25519();
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&ours.cluster());
    params.subject_alt_names = vec![our_uri(&ours)];
    let certificate = Certificate(params.self_signed(&key).expect("good parameters").der().to_vec());
    assert_eq!(judge(&certificate), forged);
}

#[test]
fn the_authority_must_have_signed_one_name_of_its_own_cluster() {
    let ours = authority(1);
    let signed = |names: Vec<SanType>| ours.trust().verify(&foreign(&ours.cluster(), &its_key(1), names, &ed25519()));
    assert!(signed(vec![our_uri(&ours)]).is_ok());
    let other = uri("queue://0123456789abcdef/client/redfish/alice");
    assert!(matches!(signed(vec![other]), Err(IdentityError::OtherCluster { .. })));
    for names in [
        vec![],
        vec![our_uri(&ours), our_uri(&ours)],
        vec![our_uri(&ours), uri("https://example.org")],
        vec![uri("https://example.org")],
        vec![SanType::DnsName(Ia5String::try_from("redfish").expect("ASCII"))],
    ] {
        assert_eq!(signed(names), Err(IdentityError::Nameless));
    }
}

#[test]
fn a_certificate_for_another_kind_of_key_is_refused() {
    let ours = authority(1);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("ring makes keys");
    let certificate = foreign(&ours.cluster(), &its_key(1), vec![our_uri(&ours)], &key);
    assert_eq!(ours.trust().verify(&certificate), Err(IdentityError::OtherKey));
}

#[test]
fn bytes_that_are_no_certificate_are_an_error() {
    let ours = authority(1);
    let good = client(&ours).0;
    for length in 0..good.len() {
        let error = ours.trust().verify(&Certificate(good[..length].to_vec())).expect_err("cut");
        assert!(matches!(error, IdentityError::Unreadable(_)), "{length} bytes: {error:?}");
    }
    let longer = [&good[..], b"\0"].concat();
    assert!(matches!(ours.trust().verify(&Certificate(longer)), Err(IdentityError::Unreadable(_))));
    let large = vec![0; Certificate::MOST_BYTES + 1];
    assert_eq!(ours.trust().verify(&Certificate(large)), Err(IdentityError::TooLarge(4097)));
}

#[test]
fn every_changed_bit_of_a_certificate_is_noticed() {
    let ours = authority(1);
    let good = client(&ours).0;
    for index in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[index] ^= 1 << bit;
            let verified = ours.trust().verify(&Certificate(changed));
            assert!(verified.is_err(), "bit {bit} of byte {index}: {verified:?}");
        }
    }
}

#[test]
fn the_longest_names_fit() {
    let ours = authority(1);
    let long = Identity { host: "%".repeat(255), user: "é".repeat(127), ..identity(Kind::Client) };
    let certificate = ours.certify(&[7; 32], &long, Validity::host());
    let verified = ours.trust().verify(&certificate).expect("they fit");
    assert_eq!(verified.identity.host, long.host);
    assert_eq!(verified.identity.user, long.user);
}

#[test]
fn debug_shows_no_secret() {
    let key = ClusterKey::generate();
    let ours = Authority::from_cluster_key(&key);
    assert_eq!(format!("{ours:?}"), format!("Authority({})", ours.cluster()));
    assert_eq!(format!("{:?}", ours.trust()), format!("Trust({})", ours.cluster()));
    let certificate = client(&ours);
    assert_eq!(format!("{certificate:?}"), format!("Certificate({} bytes)", certificate.0.len()));
}

proptest! {
    #[test]
    fn any_bytes_are_judged_without_panic(bytes: Vec<u8>) {
        prop_assert!(authority(1).trust().verify(&Certificate(bytes)).is_err());
    }

    #[test]
    fn any_names_are_certified(host in ".{0,60}", user in ".{0,60}") {
        let ours = authority(1);
        let named = Identity { host, user, ..identity(Kind::Runner) };
        let certificate = ours.certify(&[7; 32], &named, Validity::runner(NOW));
        let verified = ours.trust().verify(&certificate);
        prop_assert_eq!(verified.expect("just signed").identity, Identity { cluster: ours.cluster(), ..named });
    }
}
