//! Directives about who may use a queue, and for what.

use super::super::*;
use super::check;
use crate::profile::access::Objection::{self, *};

#[test]
fn names() {
    let good = [("[\"ada\", \"x-*\"]", "[\"ada\", \"x-*\"]"), ("[]", "[]")];
    let expected = "a list of names such as [\"ada\", \"x-*\"], or \"all\", is expected";
    for name in ["allow-users", "allow-groups"] {
        check(name, "\"all\"", &good, &[("\"ada\"", expected), ("1", expected)]);
    }
    let expected = "a list of names such as [\"ada\", \"x-*\"] is expected";
    for name in ["deny-users", "deny-groups"] {
        check(name, "[]", &good, &[("\"all\"", expected), ("{}", expected)]);
    }
    let expected = "a name, in which * is anything and ? one character, is expected";
    assert_eq!(
        faults("deny-users = [\"\", \"ada\", \"a b\", 1, \"a,b\"]"),
        [
            format!("1:15: deny-users = \"\": {expected}"),
            format!("1:26: deny-users = \"a b\": {expected}"),
            format!("1:33: deny-users = 1: {expected}"),
            format!("1:36: deny-users = \"a,b\": {expected}"),
        ]
    );
}

#[test]
fn a_denial_goes_before_a_permission_and_one_permission_is_enough() {
    let objection =
        |text: &str, groups: &[&str]| -> Option<Objection> { effective(text).objection("ada", groups.iter().copied()) };
    assert_eq!(objection("", &[]), None);
    assert_eq!(objection("allow-users = [\"a*\"]", &[]), None);
    assert_eq!(objection("allow-users = [\"b*\"]", &["a"]), Some(NotAllowed));
    assert_eq!(objection("allow-users = []", &[]), Some(NotAllowed));
    assert_eq!(objection("allow-groups = [\"staff\"]", &["users", "staff"]), None);
    assert_eq!(objection("allow-groups = [\"staff\"]", &[]), Some(NotAllowed));
    assert_eq!(objection("allow-groups = [\"staff\"]\nallow-users = [\"ada\"]", &[]), None);
    assert_eq!(objection("allow-users = [\"ada\"]\ndeny-users = [\"a?a\"]", &[]), Some(DeniedUser));
    assert_eq!(objection("allow-users = [\"ada\"]\ndeny-groups = [\"guests\"]", &["guests"]), Some(DeniedGroup));
    assert_eq!(objection("deny-users = [\"ADA\"]", &[]), None);
}

#[test]
fn allow_commands() {
    let good = [("[\"/usr/bin/make\", \"sas*\", \"/opt/*\"]", "[\"/usr/bin/make\", \"sas*\", \"/opt/*\"]")];
    let expected = "a list of commands such as [\"/usr/bin/make\", \"sas*\"], or \"all\", is expected";
    check("allow-commands", "\"all\"", &good, &[("\"make\"", expected), ("1", expected)]);
    assert_eq!(
        faults("allow-commands = [\"bin/make\", \"\"]"),
        [
            "1:19: allow-commands = \"bin/make\": an absolute path, or a name without a slash, is expected",
            "1:31: allow-commands = \"\": an absolute path, or a name without a slash, is expected",
        ]
    );
    let queue = effective("allow-commands = [\"/usr/bin/make\", \"sas*\"]");
    let allowed = ["make", "/usr/bin/make", "/bin/make", "sas", "/opt/sas9", "/opt/sas/x"];
    assert_eq!(allowed.map(|command| queue.allows_command(command)), [false, true, false, true, true, false]);
    assert!(effective("").allows_command("anything"));
    assert!(!effective("allow-commands = []").allows_command("anything"));
}
