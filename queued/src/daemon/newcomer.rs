//! The first moments of a daemon in a cluster: until a peer has answered it knows no host but its own,
//! and cannot say that a name means none.

use std::rc::Rc;
use std::time::Duration;

use wire::api::{HostChoice, Refusal, RefusalKind};

use super::Daemon;
use crate::core::choose;
use crate::core::names::HostName;

/// Whether this host is a cluster of its own.
pub fn is_alone(daemon: &Rc<Daemon>) -> bool {
    let settings = daemon.settings.borrow();
    settings.listen.is_none() && settings.peers.as_ref().is_none_or(Vec::is_empty)
}

/// Waits for as long as hosts may still come to be known.
pub async fn settle(daemon: &Rc<Daemon>) {
    let is_alone = is_alone(daemon);
    let expected = daemon.memory.names().count().max(1);
    loop {
        let heard = daemon.heard.notified();
        let age = daemon.now().since(daemon.started);
        if is_alone || age >= PATIENCE || daemon.host_rows().len() > expected {
            return;
        }
        let _ = tokio::time::timeout(PATIENCE - age, heard).await;
    }
}

/// Waits until the host that was asked for is known, while it may yet become so.
///
/// # Errors
/// No peer has answered since this daemon started; which are tried.
pub async fn know(daemon: &Rc<Daemon>, choice: &mut HostChoice) -> Result<(), Refusal> {
    let (HostChoice::Only(name) | HostChoice::Rather(name)) = &*choice else {
        return Ok(());
    };
    let (peers, listens) = {
        let settings = daemon.settings.borrow();
        (settings.peers.clone().unwrap_or_default(), settings.listen.is_some())
    };
    let remembered: Vec<HostName> = daemon.memory.names().cloned().collect();
    loop {
        let heard = daemon.heard.notified();
        let known: Vec<HostName> = daemon.host_rows().into_iter().map(|row| HostName::from(row.record.host)).collect();
        let age = daemon.now().since(daemon.started);
        if choose::host_named(name, &known).is_ok() || (peers.is_empty() && !listens) {
            return Ok(());
        }
        if age >= PATIENCE {
            let is_remembered = listens && choose::host_named(name, &remembered).is_ok();
            if !is_remembered && (known.len() > 1 || peers.is_empty()) {
                return Ok(());
            }
            if let HostChoice::Rather(_) = choice {
                *choice = HostChoice::Any;
                return Ok(());
            }
            let seconds = age.as_secs();
            let message = if is_remembered {
                format!("{name} has not been heard of since queued started {seconds} s ago")
            } else {
                let peers = peers.join(", ");
                format!("\"{name}\" is not known: no peer has answered since queued started {seconds} s ago ({peers})")
            };
            return Err(Refusal { kind: RefusalKind::Failed, message });
        }
        // Until something is heard, or for the rest of the time.
        let _ = tokio::time::timeout(PATIENCE - age, heard).await;
    }
}

/// Peers answer within a few hundred milliseconds; clients wait for longer than this.
const PATIENCE: Duration = Duration::from_millis(1500);
