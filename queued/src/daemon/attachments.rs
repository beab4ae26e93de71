//! `GET /v1/sessions`, `POST /v1/sessions/list` and `POST /v1/attachments`: the sessions of a user on all
//! hosts, and the way to one of them. What a runner says of its sessions is passed on and not kept.

use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::api::{AttachAnswer, AttachRequest, Placement, Refusal, SessionsAnswer, SessionsOf};
use wire::identity::Kind;

use super::{Daemon, newcomer, placing};
use crate::core::attach;

/// The sessions of the user `uid` of this host, on all hosts.
pub async fn list(daemon: &Rc<Daemon>, uid: u32) -> Result<SessionsAnswer, Refusal> {
    daemon.must_serve(uid)?;
    newcomer::settle(daemon).await;
    let user = daemon.user_of(uid);
    let mut all = list_here(daemon, &user).await;
    let (mut asked, calls) = (JoinSet::new(), Rc::new(Semaphore::new(MOST_AT_ONCE)));
    for row in daemon.host_rows().into_iter().filter(|row| !row.this_host) {
        if row.is_silent() {
            all.silent.push(row.record.host);
            continue;
        }
        let (host, calls, daemon, user) = (row.record.host, calls.clone(), daemon.clone(), user.clone());
        asked.spawn_local(async move {
            let _call = calls.acquire().await;
            let question = SessionsOf { user };
            let path = "/v1/sessions/list";
            let answer = daemon.peers.ask::<SessionsAnswer>(&daemon, &host, path, &question, PATIENCE).await;
            answer.map_err(|_| host)
        });
    }
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok(Ok(there)) => all.sessions.extend(there.sessions),
            Ok(Err(host)) => all.silent.push(host),
            Err(_) => {}
        }
    }
    all.sessions.sort_by(|one, other| (one.age_ms, &one.session).cmp(&(other.age_ms, &other.session)).reverse());
    all.silent.sort();
    Ok(all)
}

/// The sessions of a user, whom a daemon of the cluster names, on this host.
pub async fn list_here(daemon: &Rc<Daemon>, user: &str) -> SessionsAnswer {
    // A user whom nobody here knows has no sessions, and a runner that is not there none either.
    let runner = daemon.uid_of(user).ok().and_then(|uid| daemon.runners.connected(uid));
    let sessions = match runner {
        Some(runner) => runner.list().await,
        None => Some(Vec::new()),
    };
    let silent = if sessions.is_none() { vec![daemon.host.clone()] } else { Vec::new() };
    SessionsAnswer { sessions: sessions.unwrap_or_default(), silent }
}

/// Finds the session that is meant and how to get there.
pub async fn find(daemon: &Rc<Daemon>, uid: u32, request: AttachRequest) -> Result<AttachAnswer, Refusal> {
    let all = list(daemon, uid).await?;
    let row = attach::session_meant(&request, &daemon.host, &all)?.clone();
    let user = daemon.user_of(uid);
    let certificate = match request.certificate {
        Some(certificate) => Some(certificate),
        None => daemon.standing.borrow().certify(Kind::Client, &request.public_key, &user, daemon.unix_time()),
    };
    let route = placing::route(daemon, &row.host, &user).await?;
    let standing = daemon.standing.borrow();
    let placement = Placement {
        job_id: row.job_id,
        host: row.host.clone(),
        reason: String::new(),
        session: row.session.clone(),
        route,
        certificate,
        user,
        authority: standing.signs().then(|| standing.trust.clone()),
    };
    Ok(AttachAnswer { placement, row })
}

/// A host answers from its memory.
const PATIENCE: Duration = Duration::from_secs(2);
/// Hosts that are asked at the same time.
const MOST_AT_ONCE: usize = 32;
