//! Requests about batch jobs, from users of this host and from other daemons. What is about a job of another home
//! is passed on to it, with the name of the user.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use wire::api::{JobName, Refusal};
use wire::batch::{
    ChangeAnswer, ChangeRequest, JobRow, ListAnswer, ListRequest, OutputRequest, PlacesAnswer, Select, WaitRequest,
    WhyAnswer, WhyRequest,
};

use super::{failed, follow};
use crate::daemon::Daemon;
use crate::daemon::server::{Answer, json, read, respond};

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
        (&Method::POST, "/v1/jobs") => daemon.batch.submit(daemon, uid, body).await.and_then(|done| json(&done)),
        (&Method::POST, "/v1/jobs/list") => match read(body, MOST).await {
            Ok(request) => list(daemon, &user, request).await.and_then(|page| json(&page)),
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
        (&Method::GET, "/v1/jobs/places") => json(&places(daemon, &user)),
        (&Method::POST, "/v1/jobs/wait") => match read::<WaitRequest>(body, MOST).await {
            Ok(request) => match wait(daemon, &user, &request.jobs) {
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
    asked.map_err(|error| failed(format!("{home} cannot be asked about its jobs: {error:#}")))
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
fn by_home(daemon: &Rc<Daemon>, jobs: &[JobName]) -> Vec<(String, Vec<JobName>)> {
    let mut homes: Vec<(String, Vec<JobName>)> = Vec::new();
    for job in jobs {
        let home = match &job.home {
            // As everywhere, the first label of a known host is enough.
            Some(home) => known_as(daemon, home),
            None => daemon.host.clone(),
        };
        match homes.iter_mut().find(|(known, _)| *known == home) {
            Some((_, jobs)) => jobs.push(job.clone()),
            None => homes.push((home, vec![job.clone()])),
        }
    }
    homes
}

/// The host that a name means, by its full name or first label.
pub fn known_as(daemon: &Rc<Daemon>, name: &str) -> String {
    let known = daemon.host_rows().into_iter().map(|row| row.record.host.into()).collect::<Vec<_>>();
    crate::core::choose::host_named(name, &known).map_or_else(|_| name.to_owned(), |host| host.to_string())
}

async fn list(daemon: &Rc<Daemon>, user: &str, request: ListRequest) -> Result<ListAnswer, Refusal> {
    let homes = by_home(daemon, &request.select.jobs);
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
    let homes = by_home(daemon, &request.select.jobs);
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
        all.refused.extend(done.refused);
        all.refusals += done.refusals;
    }
    Ok(all)
}

async fn why(daemon: &Rc<Daemon>, user: &str, request: WhyRequest) -> Result<WhyAnswer, Refusal> {
    match request.job.home.as_deref().map(|home| known_as(daemon, home)) {
        Some(home) if home != daemon.host => pass(daemon, &home, user, Passed::Why(request)).await,
        _ => daemon.batch.why(daemon, user, request.job.id),
    }
}

fn wait(daemon: &Rc<Daemon>, user: &str, jobs: &[JobName]) -> Result<Answer, Refusal> {
    let homes = by_home(daemon, jobs);
    let here = homes.iter().find(|(home, _)| *home == daemon.host).map(|(_, jobs)| jobs.clone()).unwrap_or_default();
    let mut wait = daemon.batch.wait(daemon, user, &here)?;
    let elsewhere = homes.into_iter().filter(|(home, _)| *home != daemon.host);
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
