//! The warrant: the owner's word that a job is theirs, which the runner asks for before it runs anything.
//!
//! The client signs the root of a hash tree over the digests of all jobs that it submits at once, with the key of its
//! certificate; each job carries its own path to that root. Whoever stores or forwards a job can delay, lose or repeat
//! it, but not change it and not make up another.

use std::fmt;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::encoding::base64_array;
use super::hash_tree::{HashTree, root_of};
use super::{Certificate, IdentityError, Kind, SecretKey, Step, Trust, Verified};

/// The owner's word for one job. All bytes are base64 strings in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warrant {
    /// The root of the hash tree over all jobs of the submission.
    #[serde(with = "base64_array")]
    pub root: [u8; 32],
    /// From this job to the root, at most [`Warrant::MOST_STEPS`].
    #[serde(deserialize_with = "bounded_path")]
    pub path: Vec<Step>,
    /// The client's signature over "queue warrant 1", a zero byte and the root.
    #[serde(with = "base64_array")]
    pub signature: [u8; 64],
    /// The client's certificate; absent until somebody who may has certified the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

impl Warrant {
    /// No tree of ours comes near it: this would be 2^40 jobs in one submission.
    pub const MOST_STEPS: usize = 40;

    /// A warrant for each of these jobs, in their order, with one signature for all and no certificate yet.
    pub fn sign(key: &SecretKey, digests: &[[u8; 32]]) -> Vec<Warrant> {
        Self::sign_each(key, digests).collect()
    }

    /// As [`Warrant::sign`], but made one after the other: for so many jobs that all paths together would be large.
    pub fn sign_each(key: &SecretKey, digests: &[[u8; 32]]) -> impl ExactSizeIterator<Item = Warrant> + use<> {
        let tree = HashTree::over(digests).map(|tree| {
            let root = tree.root();
            let signature = key.sign(&signed_text(&root));
            (tree, root, signature)
        });
        (0..digests.len()).map(move |index| {
            let (tree, root, signature) = tree.as_ref().expect("where there is a leaf there is a tree");
            Warrant { root: *root, path: tree.path(index), signature: *signature, certificate: None }
        })
    }

    /// The warrant for a single job.
    pub fn one(key: &SecretKey, digest: [u8; 32]) -> Warrant {
        let root = root_of(&digest, &[]);
        Warrant { root, path: Vec::new(), signature: key.sign(&signed_text(&root)), certificate: None }
    }

    /// Whose word it is, if it is good for this job, and now. For work that is submitted or a session that starts.
    pub fn verify(&self, digest: &[u8; 32], trust: &Trust, now_unix: i64) -> Result<Verified, IdentityError> {
        let verified = self.verify_undated(digest, trust)?;
        verified.at(now_unix)?;
        Ok(verified)
    }

    /// As [`Warrant::verify`] without the dates: for a stored job, whose dates were judged when it was submitted.
    pub fn verify_undated(&self, digest: &[u8; 32], trust: &Trust) -> Result<Verified, IdentityError> {
        if self.path.len() > Self::MOST_STEPS {
            return Err(IdentityError::PathTooLong(self.path.len()));
        }
        let certificate = self.certificate.as_ref().ok_or(IdentityError::NoCertificate)?;
        let verified = trust.verify(certificate)?;
        if verified.identity.kind != Kind::Client {
            return Err(IdentityError::OtherKind { found: verified.identity.kind, wanted: vec![Kind::Client] });
        }
        if !self.leads_from(digest) {
            return Err(IdentityError::OtherJob);
        }
        UnparsedPublicKey::new(&ED25519, verified.public_key)
            .verify(&signed_text(&self.root), &self.signature)
            .map_err(|_| IdentityError::BadSignature)?;
        Ok(verified)
    }

    /// Whether its path leads from this job to its root: what is left to be checked of one of many jobs where
    /// another with the same certificate, root and signature was verified.
    pub fn leads_from(&self, digest: &[u8; 32]) -> bool {
        self.path.len() <= Self::MOST_STEPS && root_of(digest, &self.path) == self.root
    }
}

/// No other use of a client's key signs anything that begins like this (TLS begins with spaces).
fn signed_text(root: &[u8; 32]) -> [u8; 48] {
    let mut text = [0; 48];
    text[..16].copy_from_slice(b"queue warrant 1\0");
    text[16..].copy_from_slice(root);
    text
}

/// Refuses a long path while it is read, not after it was stored.
fn bounded_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Step>, D::Error> {
    struct Path;

    impl<'de> Visitor<'de> for Path {
        type Value = Vec<Step>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {} steps", Warrant::MOST_STEPS)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut steps: A) -> Result<Vec<Step>, A::Error> {
            let mut path = Vec::new();
            while let Some(step) = steps.next_element()? {
                if path.len() == Warrant::MOST_STEPS {
                    return Err(A::Error::invalid_length(path.len() + 1, &self));
                }
                path.push(step);
            }
            Ok(path)
        }
    }

    deserializer.deserialize_seq(Path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Authority, Identity, Validity};
    use super::*;

    const NOW: i64 = 1_800_000_000;

    struct Scene {
        authority: Authority,
        key: SecretKey,
        trust: Trust,
    }

    fn scene() -> Scene {
        let authority = Authority::from_secret(SecretKey::from_seed(&[1; 32]));
        Scene { trust: authority.trust(), authority, key: SecretKey::from_seed(&[2; 32]) }
    }

    impl Scene {
        fn certificate(&self, kind: Kind) -> Certificate {
            let identity = Identity { kind, cluster: String::new(), host: "redfish".into(), user: "alice".into() };
            self.authority.certify(&self.key.public_key(), &identity, Validity::client(NOW))
        }

        fn warrant(&self, digest: [u8; 32]) -> Warrant {
            Warrant { certificate: Some(self.certificate(Kind::Client)), ..Warrant::one(&self.key, digest) }
        }

        fn refusal(&self, warrant: &Warrant, digest: &[u8; 32]) -> IdentityError {
            warrant.verify(digest, &self.trust, NOW).expect_err("must be refused")
        }
    }

    #[test]
    fn a_warrant_tells_whose_it_is() {
        let scene = scene();
        let verified = scene.warrant([7; 32]).verify(&[7; 32], &scene.trust, NOW).expect("all is well");
        assert_eq!(verified.identity.user, "alice");
        assert_eq!(verified.public_key, scene.key.public_key());
    }

    #[test]
    fn one_is_the_same_as_a_tree_of_one() {
        let key = SecretKey::from_seed(&[2; 32]);
        assert_eq!(Warrant::sign(&key, &[[7; 32]]), [Warrant::one(&key, [7; 32])]);
        assert_eq!(Warrant::sign(&key, &[]), []);
    }

    #[test]
    fn without_certificate_nobody_knows_whose_it_is() {
        let scene = scene();
        let bare = Warrant::one(&scene.key, [7; 32]);
        assert_eq!(scene.refusal(&bare, &[7; 32]), IdentityError::NoCertificate);
    }

    #[test]
    fn only_a_clients_certificate_counts() {
        let scene = scene();
        for found in [Kind::Runner, Kind::Host] {
            let warrant = Warrant { certificate: Some(scene.certificate(found)), ..scene.warrant([7; 32]) };
            let wanted = vec![Kind::Client];
            assert_eq!(scene.refusal(&warrant, &[7; 32]), IdentityError::OtherKind { found, wanted });
        }
    }

    #[test]
    fn certificate_of_another_key_does_not_fit() {
        let scene = scene();
        let other = Scene { key: SecretKey::generate(), ..self::scene() };
        let warrant = Warrant { certificate: other.warrant([7; 32]).certificate, ..scene.warrant([7; 32]) };
        assert_eq!(scene.refusal(&warrant, &[7; 32]), IdentityError::BadSignature);
    }

    #[test]
    fn warrants_of_another_cluster_are_recognised() {
        let (scene, theirs) = (scene(), Authority::from_secret(SecretKey::generate()));
        let other = Scene { trust: theirs.trust(), authority: theirs, key: SecretKey::generate() };
        let error = scene.refusal(&other.warrant([7; 32]), &[7; 32]);
        let (theirs, ours) = (other.trust.cluster(), scene.trust.cluster());
        assert_eq!(error, IdentityError::OtherCluster { theirs, ours });
    }

    #[test]
    fn dates_are_judged_only_when_asked() {
        let scene = scene();
        let warrant = scene.warrant([7; 32]);
        let week_later = NOW + 7 * 86_400;
        let late = warrant.verify(&[7; 32], &scene.trust, week_later);
        assert!(matches!(late, Err(IdentityError::Stale { .. })), "{late:?}");
        let early = warrant.verify(&[7; 32], &scene.trust, NOW - 301);
        assert!(matches!(early, Err(IdentityError::NotYet { .. })), "{early:?}");
        assert!(warrant.verify_undated(&[7; 32], &scene.trust).is_ok());
    }

    #[test]
    fn a_signature_is_for_a_warrant_only() {
        let scene = scene();
        let mut warrant = scene.warrant([7; 32]);
        warrant.signature = scene.key.sign(&warrant.root);
        assert_eq!(scene.refusal(&warrant, &[7; 32]), IdentityError::BadSignature);
    }

    #[test]
    fn a_path_that_is_too_long_is_refused() {
        let scene = scene();
        let path = vec![Step::Left([0; 32]); Warrant::MOST_STEPS + 1];
        let mut warrant = Warrant { path, ..scene.warrant([7; 32]) };
        assert_eq!(scene.refusal(&warrant, &[7; 32]), IdentityError::PathTooLong(41));
        let text = serde_json::to_string(&warrant).expect("always serialises");
        let error = serde_json::from_str::<Warrant>(&text).expect_err("too long");
        assert!(error.to_string().contains("at most 40 steps"), "{error}");
        warrant.path.pop();
        let text = serde_json::to_string(&warrant).expect("always serialises");
        assert_eq!(serde_json::from_str::<Warrant>(&text).expect("40 steps are allowed"), warrant);
    }

    #[test]
    fn the_form_in_json_stays() {
        let warrant = Warrant {
            root: [0; 32],
            path: vec![Step::Left([0xff; 32]), Step::Right([0; 32])],
            signature: [0; 64],
            certificate: None,
        };
        let [zeros, ones] =
            ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "//////////////////////////////////////////8="];
        let signature = "A".repeat(86);
        let text = format!(
            r#"{{"root":"{zeros}","path":[{{"left":"{ones}"}},{{"right":"{zeros}"}}],"signature":"{signature}=="}}"#
        );
        assert_eq!(serde_json::to_string(&warrant).expect("always serialises"), text);
        let newer = text.replacen('{', r#"{"field of a later release":[1],"#, 1);
        for text in [&text, &newer] {
            assert_eq!(serde_json::from_str::<Warrant>(text).expect("what we wrote"), warrant);
        }
    }

    #[test]
    fn bytes_of_a_wrong_length_are_an_error() {
        let good = serde_json::to_string(&Warrant::sign(&SecretKey::generate(), &[[1; 32], [2; 32]])[0]);
        let good = good.expect("always serialises");
        let fields: Vec<&str> = good.split('"').filter(|text| text.len() > 40).collect();
        assert_eq!(fields.len(), 3, "{good}");
        for field in fields {
            for wrong in
                ["", "AAAA", &field[4..], &format!("AAAA{field}"), &field.replace('=', "A"), &"!".repeat(field.len())]
            {
                let text = good.replace(field, wrong);
                assert!(serde_json::from_str::<Warrant>(&text).is_err(), "{text}");
            }
        }
        let number = good.replacen("\"root\":\"", "\"root\":[1], \"x\":\"", 1);
        assert!(serde_json::from_str::<Warrant>(&number).is_err());
    }

    #[test]
    fn only_jobs_of_the_same_submission_lead_to_its_root() {
        let warrants = Warrant::sign(&SecretKey::generate(), &[[1; 32], [2; 32]]);
        assert!(warrants[0].leads_from(&[1; 32]) && warrants[1].leads_from(&[2; 32]));
        assert!(!warrants[0].leads_from(&[2; 32]));
        let path = vec![Step::Left([0; 32]); Warrant::MOST_STEPS + 1];
        let long = Warrant { root: root_of(&[1; 32], &path), path, ..warrants[0].clone() };
        assert!(!long.leads_from(&[1; 32]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_leaf_verifies_and_nothing_else_does(
            digests in prop::collection::hash_set(any::<[u8; 32]>(), 1..70),
            chosen: prop::sample::Index,
            place: prop::sample::Index,
            bit in 0..8u32,
        ) {
            let scene = scene();
            let digests: Vec<_> = digests.into_iter().collect();
            let certificate = scene.certificate(Kind::Client);
            let mut warrants = Warrant::sign(&scene.key, &digests);
            for (warrant, digest) in warrants.iter_mut().zip(&digests) {
                warrant.certificate = Some(certificate.clone());
                prop_assert!(warrant.verify(digest, &scene.trust, NOW).is_ok());
            }
            let (warrant, digest) = (chosen.get(&warrants), chosen.get(&digests));
            let mask = 1u8 << bit;
            let flip = |bytes: &mut [u8]| bytes[place.index(bytes.len())] ^= mask;

            let mut other = *digest;
            flip(&mut other);
            prop_assert_eq!(scene.refusal(warrant, &other), IdentityError::OtherJob);
            let mut changed = warrant.clone();
            flip(&mut changed.root);
            prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::OtherJob);
            let mut changed = warrant.clone();
            flip(&mut changed.signature);
            prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::BadSignature);
            let mut changed = warrant.clone();
            flip(&mut changed.certificate.as_mut().expect("filled in above").0);
            scene.refusal(&changed, digest);
            let mut changed = warrant.clone();
            changed.path.push(Step::Right([0; 32]));
            prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::OtherJob);
            if !warrant.path.is_empty() {
                let step = place.index(warrant.path.len());
                let mut changed = warrant.clone();
                match &mut changed.path[step] {
                    Step::Left(hash) | Step::Right(hash) => flip(hash),
                }
                prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::OtherJob);
                changed.path[step] = match warrant.path[step] {
                    Step::Left(hash) => Step::Right(hash),
                    Step::Right(hash) => Step::Left(hash),
                };
                prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::OtherJob);
                changed.path.remove(step);
                prop_assert_eq!(scene.refusal(&changed, digest), IdentityError::OtherJob);
            }
        }
    }
}
