//! Requests about batch jobs, from users of this host and from other daemons. What is about a job of another home
//! is passed on to it, with the name of the user.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use wire::api::{HostChoice, JobName, Refusal, RefusalKind};
use wire::batch::{
    ChangeAnswer, ChangeRequest, JobRow, ListAnswer, ListRequest, OutputRequest, PlacesAnswer, Select, WaitRequest,
    WhyAnswer, WhyRequest,
};

use super::{failed, follow, keeping};
use crate::core::choose;
use crate::daemon::peers::Refused;
use crate::daemon::server::{Answer, json, read, respond};
use crate::daemon::{Daemon, newcomer};

/// A request that a daemon passes on for one of its users.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Passed {
    List(ListRequest),
    Change(ChangeRequest),
    Why(WhyRequest),
    /// Jobs of which the sender wants to know whether they have ended.
    Rows(Vec<JobName>),
    Output(OutputRequest, u64),
}

#[derive(Debug, Serialize, Deserialize)]
struct ForUser {
    user: String,
    passed: Passed,
}

/// Answers a user of this host; `None` when the path is nobody's here.
pub async fn answer(
    daemon: &Rc<Daemon>,
    uid: u32,
    method: &Method,
    path: &str,
    body: Incoming,
) -> Option<Response<Answer>> {
    let user = daemon.user_of(uid);
    let answered = match (method, path) {
        (&Method::POST, "/v1/jobs") => match daemon.batch.submit(daemon, uid, body).await {
            // The same submission can be sent to the next daemon, which knows whether it has it.
            Err(refusal) if daemon.batch.store.has_failed() => {
                let body = Answer::whole(json(&refusal).unwrap_or_default());
                return Some(respond(StatusCode::SERVICE_UNAVAILABLE, body));
            }
            done => done.and_then(|done| json(&done)),
        },
        (&Method::POST, "/v1/jobs/list") => match read::<ListRequest>(body, MOST).await {
            Ok(request) if request.archive.is_some() => {
                daemon.batch.archived(daemon, uid, request).await.and_then(|page| json(&page))
            }
            Ok(request) => list(daemon, &user, request).await.and_then(|page| json(&page)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/jobs/backup") => match read(body, MOST_SMALL).await {
            Ok(request) => keeping::backup(daemon, uid, &request).await.and_then(|done| json(&done)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/jobs/rotate") => match read(body, MOST_SMALL).await {
            Ok(request) => keeping::rotate(daemon, uid, request).await.and_then(|done| json(&done)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/jobs/change") => match read(body, MOST).await {
            Ok(request) => change(daemon, &user, request).await.and_then(|done| json(&done)),
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/jobs/why") => match read::<WhyRequest>(body, MOST_SMALL).await {
            Ok(request) => why(daemon, &user, request).await.and_then(|why| json(&why)),
            Err(refusal) => Err(refusal),
        },
        (&Method::GET, "/v1/status") => daemon.batch.status(daemon).await.and_then(|status| json(&status)),
        (&Method::GET, "/v1/jobs/doctor") => match daemon.must_serve(uid) {
            Ok(()) => json(&crate::daemon::doctor::look(daemon, uid).await),
            Err(refusal) => Err(refusal),
        },
        (&Method::GET, "/v1/jobs/places") => json(&places(daemon, &user)),
        (&Method::POST, "/v1/jobs/wait") => match read::<WaitRequest>(body, MOST).await {
            Ok(request) => match wait(daemon, &user, &request.jobs).await {
                Ok(answer) => return Some(respond(StatusCode::OK, answer)),
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        },
        (&Method::POST, "/v1/jobs/output") => match read::<OutputRequest>(body, MOST_SMALL).await {
            Ok(request) => match follow::open(daemon, &user, request).await {
                Ok(answer) => return Some(respond(StatusCode::OK, answer)),
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        },
        _ => return None,
    };
    Some(whole(daemon.must_serve(uid).and(answered)))
}

/// Answers another daemon; `None` when the path is nobody's here.
pub async fn from_host(
    daemon: &Rc<Daemon>,
    host: &str,
    method: &Method,
    path: &str,
    body: Incoming,
) -> Option<Response<Answer>> {
    if method != Method::POST {
        return None;
    }
    let batch = &daemon.batch;
    let answered = match path {
        "/v1/attempts" => match read(body, MOST_SMALL).await {
            Ok(request) => json(&batch.wanted(daemon, host, request).await),
            Err(refusal) => Err(refusal),
        },
        "/v1/attempts/reports" => match read(body, MOST_SMALL).await {
            Ok(report) => json(&batch.reported(daemon, host, report).await),
            Err(refusal) => Err(refusal),
        },
        "/v1/attempts/leases" => match read(body, MOST_SMALL).await {
            Ok(request) => json(&batch.lease_asked(daemon, host, request).await),
            Err(refusal) => Err(refusal),
        },
        "/v1/contents" => match read(body, MOST_SMALL).await {
            Ok(request) => json(&batch.content_piece(daemon, request).await),
            Err(refusal) => Err(refusal),
        },
        "/v1/jobs/passed" => match read::<ForUser>(body, MOST).await {
            Ok(ForUser { user, passed }) => match passed {
                Passed::List(request) => batch.list(daemon, &user, request).await.and_then(|page| json(&page)),
                Passed::Change(request) => batch.change(daemon, &user, request).await.and_then(|done| json(&done)),
                Passed::Why(request) => batch.why(daemon, &user, request.job.id).and_then(|why| json(&why)),
                Passed::Rows(jobs) => {
                    let rows = jobs.iter().map(|job| batch.row(daemon, &user, job.id));
                    rows.collect::<Result<Vec<JobRow>, _>>().and_then(|rows| json(&rows))
                }
                Passed::Output(request, wait_ms) => {
                    let wait = Duration::from_millis(wait_ms.min(20_000));
                    json(&follow::piece(daemon, &user, &request, wait).await)
                }
            },
            Err(refusal) => Err(refusal),
        },
        _ => return None,
    };
    Some(whole(answered))
}

fn whole(answered: Result<Bytes, Refusal>) -> Response<Answer> {
    match answered {
        Ok(bytes) => respond(StatusCode::OK, Answer::whole(bytes)),
        Err(refusal) => respond(StatusCode::BAD_REQUEST, Answer::whole(json(&refusal).unwrap_or_default())),
    }
}

/// Passes a request on to a home.
async fn pass<T: serde::de::DeserializeOwned>(
    daemon: &Rc<Daemon>,
    home: &str,
    user: &str,
    passed: Passed,
) -> Result<T, Refusal> {
    let request = ForUser { user: user.to_owned(), passed };
    let asked = daemon.peers.ask::<T>(daemon, home, "/v1/jobs/passed", &request, PASSING).await;
    asked.map_err(|error| match error.downcast::<Refused>() {
        Ok(Refused(refusal)) => refusal,
        Err(error) => failed(format!("{home} cannot be asked about its jobs: {error:#}")),
    })
}

/// Output of a job of another home.
pub async fn pass_output(
    daemon: &Rc<Daemon>,
    home: &str,
    user: &str,
    request: OutputRequest,
    wait_ms: u64,
) -> Result<wire::attempts::AttemptAnswer, Refusal> {
    pass(daemon, home, user, Passed::Output(request, wait_ms)).await
}

/// Jobs by their homes; those without one are of this host.
async fn by_home(daemon: &Rc<Daemon>, jobs: &[JobName]) -> Result<Vec<(String, Vec<JobName>)>, Refusal> {
    let mut homes: Vec<(String, Vec<JobName>)> = Vec::new();
    let mut known: HashMap<&str, String> = HashMap::new();
    for job in jobs {
        let home = match job.home.as_deref() {
            None => daemon.host.clone(),
            Some(said) => match known.get(said) {
                Some(home) => home.clone(),
                None => known.entry(said).or_insert(home_of(daemon, said).await?).clone(),
            },
        };
        match homes.iter_mut().find(|(known, _)| *known == home) {
            Some((_, jobs)) => jobs.push(job.clone()),
            None => homes.push((home, vec![job.clone()])),
        }
    }
    Ok(homes)
}

/// The host that is meant by the name behind an `@`: as everywhere, its first label is enough.
///
/// # Errors
/// There is none, or nobody has heard of it since this daemon started.
pub async fn home_of(daemon: &Rc<Daemon>, name: &str) -> Result<String, Refusal> {
    if name == daemon.host {
        return Ok(daemon.host.clone());
    }
    newcomer::know(daemon, &mut HostChoice::Only(name.to_owned())).await?;
    let known = daemon.host_rows().into_iter().map(|row| row.record.host.into()).collect::<Vec<_>>();
    choose::host_named(name, &known).map(ToString::to_string)
}

async fn list(daemon: &Rc<Daemon>, user: &str, request: ListRequest) -> Result<ListAnswer, Refusal> {
    if let Some(after) = request.by_end {
        return daemon.batch.list_past(daemon, user, &request, after).await;
    }
    let homes = by_home(daemon, &request.select.jobs).await?;
    if homes.is_empty() {
        return daemon.batch.list(daemon, user, request).await;
    }
    let mut all = ListAnswer::default();
    for (home, jobs) in homes {
        let select = Select { jobs, ..request.select.clone() };
        let part = ListRequest { select, ..request.clone() };
        let page = if home == daemon.host {
            daemon.batch.list(daemon, user, part).await?
        } else {
            pass(daemon, &home, user, Passed::List(part)).await?
        };
        all.jobs.extend(page.jobs);
        all.missing.extend(page.missing);
        all.more = all.more.or(page.more);
    }
    Ok(all)
}

async fn change(daemon: &Rc<Daemon>, user: &str, request: ChangeRequest) -> Result<ChangeAnswer, Refusal> {
    let homes = by_home(daemon, &request.select.jobs).await?;
    if homes.is_empty() {
        return daemon.batch.change(daemon, user, request).await;
    }
    let mut all = ChangeAnswer::default();
    for (home, jobs) in homes {
        let select = Select { jobs, ..request.select.clone() };
        let part = ChangeRequest { select, change: request.change.clone() };
        let done: ChangeAnswer = if home == daemon.host {
            daemon.batch.change(daemon, user, part).await?
        } else {
            pass(daemon, &home, user, Passed::Change(part)).await?
        };
        all.changed.extend(done.changed);
        all.asked.extend(done.asked);
        all.refused.extend(done.refused);
        all.refusals += done.refusals;
    }
    Ok(all)
}

async fn why(daemon: &Rc<Daemon>, user: &str, request: WhyRequest) -> Result<WhyAnswer, Refusal> {
    if let Some(name) = request.job.home.as_deref() {
        let home = home_of(daemon, name).await?;
        if home != daemon.host {
            return pass(daemon, &home, user, Passed::Why(request)).await;
        }
    }
    daemon.batch.why(daemon, user, request.job.id)
}

async fn wait(daemon: &Rc<Daemon>, user: &str, jobs: &[JobName]) -> Result<Answer, Refusal> {
    let homes = by_home(daemon, jobs).await?;
    let here = homes.iter().find(|(home, _)| *home == daemon.host).map(|(_, jobs)| jobs.clone()).unwrap_or_default();
    let elsewhere = homes.into_iter().filter(|(home, _)| *home != daemon.host).collect::<Vec<_>>();
    for (home, jobs) in &elsewhere {
        // Nobody waits for what is not there; a home that is silent now may be asked later.
        match rows_of(daemon, home, user, jobs.clone()).await {
            Err(refusal) if refusal.kind == RefusalKind::Usage => return Err(refusal),
            Ok(_) | Err(_) => {}
        }
    }
    let mut wait = daemon.batch.wait(daemon, user, &here)?;
    for (home, jobs) in elsewhere {
        wait.also(home, jobs);
    }
    Ok(Answer::lines(Bytes::new(), Box::new(wait)))
}

/// Asks another home for rows of jobs.
pub async fn rows_of(daemon: &Rc<Daemon>, home: &str, user: &str, jobs: Vec<JobName>) -> Result<Vec<JobRow>, Refusal> {
    pass(daemon, home, user, Passed::Rows(jobs)).await
}

/// Where a user's client puts what jobs need, before it submits them.
fn places(daemon: &Rc<Daemon>, user: &str) -> PlacesAnswer {
    let state = &daemon.places.state;
    PlacesAnswer {
        jobs: state.join("jobs").into_os_string().into(),
        mail: state.join("mail").join(user).into_os_string().into(),
    }
}

/// The largest request that names jobs.
const MOST: usize = 16 << 20;
const MOST_SMALL: usize = 256 * 1024;
/// How long another home may take.
const PASSING: Duration = Duration::from_secs(30);
