//! A cluster of one's own, made by hand as the manual says it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use queue_tests::process::{PATIENCE, Process};
use queue_tests::programs;
use queue_tests::wait::until;

use crate::login::{Home, Login};

#[test]
fn a_second_host_joins_with_the_key_that_cluster_init_has_made() {
    let (here, there) = (Home::new(), Home::new());
    let redfish = here.login_on("redfish", "");
    redfish.queue(&["-n", "--", "true"]).success();
    let daemon = redfish.daemon();
    let told = redfish.queue(&["cluster", "init", "--listen", "127.0.0.1"]).success().text();
    let word = |before: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(before)).expect("as documented");
        line.trim().to_owned()
    };
    let (address, key) = (word("this host listens on "), word("key "));
    assert!(address.starts_with("127.0.0.1:"), "{told}");
    assert_eq!(fs::metadata(&key).expect("it was made").permissions().mode() & 0o777, 0o600);
    assert_eq!(word("configuration "), redfish.configuration().to_string_lossy());
    assert!(told.contains(&format!("peers = [\"{address}\"]")), "{told}");
    let again = redfish.queue(&["cluster", "init"]);
    let configuration = redfish.configuration();
    again.fails(64, &format!("queue: there is a cluster already: {} names the key {key}", configuration.display()));

    // On the other host: the key file, and what was said.
    let copy = there.home().join("cluster.key");
    fs::copy(&key, &copy).expect("ours");
    let settings = format!("listen = \"127.0.0.1:0\"\npeers = [\"{address}\"]\nkey = {copy:?}\n");
    let bluefish = there.login_on("bluefish", &settings);
    until("both know each other", PATIENCE, || {
        // Asking is what starts the second one's daemon.
        ([&redfish, &bluefish].map(open_hosts) == [2, 2]).then_some(())
    });
    for (home, host) in [(&redfish, "bluefish"), (&bluefish, "redfish")] {
        let ended = home.queue(&["-n", "-h", host, "--", "sh", "-c", "echo $QUEUE_HOST; exit 4"]);
        assert_eq!((ended.code(), ended.text().as_str()), (Some(4), host), "{}", ended.errors());
    }
    assert_eq!(redfish.daemons(), [daemon], "the daemon that was there has become the cluster's");
}

fn open_hosts(login: &Login) -> usize {
    let answer = login.queue(&["hosts", "--json"]).success();
    let answer: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    answer["hosts"].as_array().map_or(0, |rows| rows.iter().filter(|row| row["unavailable"].is_null()).count())
}

#[test]
fn a_key_that_others_can_read_or_that_is_none_is_refused() {
    let home = Home::new();
    let key = home.home().join("cluster.key");
    let login = home.login_on("redfish", &format!("key = {key:?}\n"));
    let queued = || {
        let program = programs::directory().join("queued");
        Process::start(login.command(program)).end()
    };
    queued().fails(
        1,
        &format!("queued: cannot read the cluster's key {}: No such file or directory (os error 2)", key.display()),
    );
    fs::write(&key, "open sesame\n").expect("ours");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("ours");
    queued().fails(1, &format!("queued: {0}: others can read the cluster's key; chmod 600 {0}", key.display()));
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("ours");
    let said = queued().errors();
    assert!(said.starts_with(&format!("queued: {}: ", key.display())), "{said}");
}

#[test]
fn a_port_that_is_taken_is_said() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound");
    let login = home.login_on("redfish", &format!("listen = \"{address}\"\n"));
    let ended = Process::start(login.command(programs::directory().join("queued"))).end();
    assert_eq!(ended.code(), Some(1));
    assert!(ended.errors().starts_with(&format!("queued: cannot listen on {address}: ")), "{}", ended.errors());
}
