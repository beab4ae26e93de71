//! `queue cluster init`: the daemon makes key, port and configuration; this program never
//! reads the key.

use std::time::Duration;

use wire::api::{ClusterInit, ClusterMade};

use crate::daemon::Daemon;
use crate::failure::{Failure, printable};
use crate::listing::print;

/// Asks the daemon and says what to do on the other hosts.
pub fn init(daemon: &Daemon, listen: Option<String>) -> Result<(), Failure> {
    let body = serde_json::to_vec(&ClusterInit { listen })
        .map_err(|error| Failure::own(format!("cannot write the request: {error}")))?;
    let answer = daemon.answer("POST", "/v1/cluster", &body, PATIENCE)?;
    let made: ClusterMade = serde_json::from_slice(&answer)
        .map_err(|error| Failure::own(format!("cannot read what queued made: {error}")))?;
    print(told(&made, &sys::host::name()).as_bytes())
}

fn told(made: &ClusterMade, host: &str) -> String {
    let ClusterMade { configuration, key, listen } = made;
    let (configuration, key) = (printable(configuration), printable(key));
    let listen = printable(listen);
    let peer = match listen.rsplit_once(':') {
        Some(("[::]" | "0.0.0.0", port)) => format!("{host}:{port}"),
        _ => listen.clone(),
    };
    format!(
        "this host listens on {listen}\n\
         configuration  {configuration}\n\
         key            {key}\n\
         On each other host: copy the key file to the same path with mode 0600 (a shared home\n\
         directory has it already), put  peers = [\"{peer}\"]  and  key = \"{key}\"  into\n\
         its queued.toml, and run: queue hosts\n\
         Whoever has the key file is you.\n"
    )
}

const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_to_do_elsewhere_names_a_reachable_peer_and_the_key() {
        let mut made = ClusterMade {
            configuration: "/home/me/.config/queue/queued.toml".into(),
            key: "/home/me/.config/queue/cluster.key".into(),
            listen: "[::]:7118".into(),
        };
        assert!(told(&made, "redfish").contains("peers = [\"redfish:7118\"]"));
        made.listen = "10.0.0.7:7117".into();
        let text = told(&made, "redfish");
        assert!(text.contains("peers = [\"10.0.0.7:7117\"]"));
        assert!(text.contains("key = \"/home/me/.config/queue/cluster.key\""));
    }
}
