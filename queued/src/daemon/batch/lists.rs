//! Questions about jobs of this home: lists, counts, waits, and what is in a job's way.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use spool::JobId;
use spool::home::State;
use spool::query::{Now, Query};
use spool::store::{Reader, Which};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use wire::api::{JobName, Refusal, RefusalKind};
use wire::batch::{JobRow, ListAnswer, ListRequest, Select, StatusAnswer, WhyAnswer};

use super::{Batch, failed, lacks, now_us, spool_failed};
use crate::core::names::QueueName;
use crate::daemon::Daemon;
use crate::daemon::server::{Lines, json};

impl Batch {
    /// A page of the jobs of a user.
    pub async fn list(&self, daemon: &Rc<Daemon>, user: &str, request: ListRequest) -> Result<ListAnswer, Refusal> {
        let which = Which { arrays_as_one: request.arrays_as_one, ..which(user, &request.select)? };
        let wanted = which.ids.clone();
        let (after, most, now) = (request.after, request.most, now_us());
        let page = self.store.ask_long(move |reader| reader.page(&which, after, most, now)).await;
        let (mut jobs, more) = page.map_err(|error| spool_failed(&error))?;
        let mut missing = Vec::new();
        if let Some(wanted) = wanted
            && more.is_none()
            && request.select.query.is_none()
        {
            let found = jobs.iter().map(|job| job.id).collect::<std::collections::HashSet<_>>();
            for id in wanted.into_iter().filter(|id| *id > after && !found.contains(id)) {
                let name = JobName { id, home: Some(daemon.host.clone()) };
                missing.push((name, format!("there is no job {id} of yours on {}", daemon.host)));
            }
        }
        for job in &mut jobs {
            self.complete(daemon, job);
        }
        Ok(ListAnswer { jobs, more, missing, ..ListAnswer::default() })
    }

    /// What the spool does not know of a row.
    pub fn complete(&self, daemon: &Rc<Daemon>, job: &mut JobRow) {
        job.home.clone_from(&daemon.host);
        if job.host.as_deref() == Some(&daemon.host) && job.stdout.0.is_empty() && job.state == "running" {
            let key = crate::link::AttemptKey { home: job.home.clone(), job_id: job.id, attempt: job.attempt };
            let [stdout, stderr] = self.paths(daemon, &key);
            (job.stdout, job.stderr) = (stdout, stderr);
        }
    }

    /// One job of a user.
    pub fn row(&self, daemon: &Rc<Daemon>, user: &str, id: u64) -> Result<JobRow, Refusal> {
        let missing = || Refusal {
            kind: RefusalKind::Usage,
            message: format!("there is no job {id} of yours on {}", daemon.host),
        };
        let job = JobId::new(id).map_err(|_| missing())?;
        let found = self.store.ask(|reader| reader.row(job, now_us())).map_err(|error| spool_failed(&error))?;
        let mut row = found.filter(|row| row.user == user).ok_or_else(missing)?;
        self.complete(daemon, &mut row);
        Ok(row)
    }

    /// Counts of this home.
    pub async fn status(&self, daemon: &Rc<Daemon>) -> Result<StatusAnswer, Refusal> {
        let now = now_us();
        let status = self.store.ask_long(move |reader| reader.status(now)).await;
        let status = status.map_err(|error| spool_failed(&error))?;
        Ok(StatusAnswer { home: daemon.host.clone(), ..status })
    }

    /// Why a job does not run.
    pub fn why(&self, daemon: &Rc<Daemon>, user: &str, id: u64) -> Result<WhyAnswer, Refusal> {
        let row = self.row(daemon, user, id)?;
        let job = JobId::new(id).map_err(|error| failed(error.to_string()))?;
        let brief = self.store.ask(|reader| reader.brief(job)).map_err(|error| spool_failed(&error))?;
        let brief = brief.ok_or_else(|| failed(format!("there is no job {id}")))?;
        let mut answer = WhyAnswer { summary: String::new(), ..WhyAnswer::default() };
        let not_yet = self.why_not_yet(&brief, &row);
        answer.summary = match brief.state() {
            State::Held { .. } => format!("it is held; \"queue release {id}\" lets it start"),
            State::Running(run) if row.detail.is_empty() => format!("it runs on {}", run.place.host),
            State::Running(run) => format!("it runs on {} ({})", run.place.host, row.detail),
            State::Finished { .. } | State::Dead(_) | State::Cancelled if row.detail.is_empty() => {
                format!("it is {}", row.state)
            }
            State::Finished { .. } | State::Dead(_) | State::Cancelled => {
                format!("it is {}: {}", row.state, row.detail)
            }
            State::Pending { .. } if not_yet.is_some() => not_yet.clone().unwrap_or_default(),
            State::Pending { .. } if !row.detail.is_empty() => format!("it starts {}", row.detail),
            State::Pending { .. } => match (self.line.waits_for(id), self.line.has(id)) {
                (Some(text), _) => format!("it waits: {text}"),
                (None, true) => "a host is being asked for it at this moment".to_owned(),
                (None, false) => "others of your jobs with the same queue and hosts are before it".to_owned(),
            },
        };
        if let State::Pending { .. } = brief.state()
            && not_yet.is_none()
        {
            let refusals = self.line.refusals(id);
            let wanted = &brief.hosts;
            let described = self.store.ask(|reader| reader.description(job)).map_err(|error| spool_failed(&error))?;
            let needs = described.map(|described| daemon.queues.needs_of(&described.job)).unwrap_or_default();
            let queue = QueueName::from(daemon.queues.resolve(&brief.queue));
            if !needs.are_plain() {
                answer.summary = format!("needs {}; {}", needs.words(), answer.summary);
            }
            for row in daemon.host_rows() {
                let host = row.record.host.clone();
                let said = refusals.iter().find(|(refuser, _)| *refuser == host);
                let words = if let Some((_, refusal)) = said {
                    refusal.message.clone()
                } else if !wanted.is_empty() && !wanted.iter().any(|wanted| crate::core::choose::fits(wanted, &host)) {
                    format!("not among the hosts it may run on ({})", wanted.join(", "))
                } else if let Some(why) = &row.unavailable {
                    why.clone()
                } else if let Some(lack) = lacks::lack(daemon, &row, &queue, &needs) {
                    lack
                } else {
                    queue_words(&row, &brief.queue)
                };
                answer.hosts.push((host, words));
            }
        }
        answer.job = row;
        Ok(answer)
    }

    /// How many jobs of this home have not ended.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn open_jobs(&self) -> Result<u64, String> {
        let status = self.store.ask(|reader| reader.status(now_us())).map_err(|error| error.to_string())?;
        let open = status.states.iter().filter(|count| ["held", "pending", "running"].contains(&count.state.as_str()));
        Ok(open.map(|count| count.jobs).sum())
    }

    /// Waits for the ends of jobs of a user of this host; those that have ended already come first.
    pub fn wait(&self, daemon: &Rc<Daemon>, user: &str, jobs: &[JobName]) -> Result<Wait, Refusal> {
        let (sender, ended) = tokio::sync::mpsc::unbounded_channel();
        let mut open = Vec::new();
        for name in jobs {
            let row = self.row(daemon, user, name.id)?;
            // Registered first and looked at afterwards: an end in between is told twice, never missed.
            self.waiters.wait(row.id, &sender);
            open.push(row.id);
        }
        for id in &open {
            let row = self.row(daemon, user, *id)?;
            if has_ended(&row) {
                let _ = sender.send(*id);
            }
        }
        let (rows, elsewhere) = tokio::sync::mpsc::unbounded_channel();
        let (daemon, user) = (daemon.clone(), user.to_owned());
        Ok(Wait { daemon, user, open, ended, there: 0, rows, elsewhere })
    }
}

fn has_ended(row: &JobRow) -> bool {
    matches!(row.state.as_str(), "finished" | "dead" | "cancelled")
}

fn queue_words(row: &wire::news::HostRow, queue: &str) -> String {
    match row.record.state.queues.iter().find(|state| state.queue == queue) {
        None => format!("no queue \"{queue}\" there"),
        Some(state) => match (state.limit, &state.shut) {
            (_, Some(shut)) => format!("queue \"{queue}\" {shut}"),
            (Some(limit), None) if state.running >= limit => {
                format!("queue \"{queue}\" is full ({} of {limit})", state.running)
            }
            _ => "would do; it is asked next".to_owned(),
        },
    }
}

/// The jobs that are meant, for a user.
pub fn which(user: &str, select: &Select) -> Result<Which, Refusal> {
    let query = select.query.as_deref().map(|text| {
        let offset = jiff::Zoned::now().offset().seconds();
        Query::parse(text, Now { unix_us: now_us(), utc_offset_s: offset })
    });
    let wrong = |error: spool::query::BadQuery| Refusal { kind: RefusalKind::Usage, message: error.to_string() };
    let query = query.transpose().map_err(wrong)?;
    let ids = (!select.jobs.is_empty()).then(|| select.jobs.iter().map(|name| name.id).collect());
    let user = (!select.all_users).then(|| user.to_owned());
    Ok(Which { user, query, ids, arrays_as_one: false })
}

/// An open wait: a line for each job that has ended.
pub struct Wait {
    daemon: Rc<Daemon>,
    user: String,
    open: Vec<u64>,
    ended: UnboundedReceiver<u64>,
    /// How many jobs of other homes are open.
    there: usize,
    rows: UnboundedSender<std::io::Result<JobRow>>,
    elsewhere: UnboundedReceiver<std::io::Result<JobRow>>,
}

impl Wait {
    /// Waits for jobs of another home too: it is asked every now and then.
    pub fn also(&mut self, home: String, mut jobs: Vec<JobName>) {
        self.there += jobs.len();
        let (daemon, user, rows) = (self.daemon.clone(), self.user.clone(), self.rows.clone());
        tokio::task::spawn_local(async move {
            while !jobs.is_empty() && !rows.is_closed() {
                match super::api::rows_of(&daemon, &home, &user, jobs.clone()).await {
                    Ok(found) => {
                        for row in found.into_iter().filter(has_ended) {
                            jobs.retain(|job| job.id != row.id);
                            if rows.send(Ok(row)).is_err() {
                                return;
                            }
                        }
                    }
                    // One was deleted meanwhile. The client sees an answer that breaks off, and asks again.
                    Err(refusal) if refusal.kind == RefusalKind::Usage => {
                        return drop(rows.send(Err(std::io::ErrorKind::BrokenPipe.into())));
                    }
                    Err(refusal) => tracing::info!(%home, "its jobs cannot be asked for: {}", refusal.message),
                }
                tokio::time::sleep(ASK_ELSEWHERE).await;
            }
        });
    }
}

impl Lines for Wait {
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>> {
        loop {
            if self.open.is_empty() && self.there == 0 {
                return Poll::Ready(None);
            }
            if let Poll::Ready(Some(row)) = self.elsewhere.poll_recv(context) {
                self.there -= 1;
                return Poll::Ready(Some(row.map(|row| json(&row).unwrap_or_default())));
            }
            match self.ended.poll_recv(context) {
                // Nobody tells of ends any more: there is nothing of this home to wait for.
                Poll::Ready(None) if self.there == 0 => return Poll::Ready(None),
                Poll::Pending | Poll::Ready(None) => return Poll::Pending,
                Poll::Ready(Some(id)) => {
                    let before = self.open.len();
                    self.open.retain(|open| *open != id);
                    if self.open.len() == before {
                        continue;
                    }
                    let row = self.daemon.batch.row(&self.daemon, &self.user, id);
                    // One that was deleted meanwhile has ended too.
                    let row = row.unwrap_or_else(|_| {
                        let home = self.daemon.host.clone();
                        JobRow { id, home, state: "deleted".into(), ..JobRow::default() }
                    });
                    return Poll::Ready(Some(Ok(json(&row).unwrap_or_default())));
                }
            }
        }
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.ended.close();
        self.elsewhere.close();
        self.daemon.batch.waiters.forget_gone(&self.open);
    }
}

/// How often another home is asked for the ends of its jobs.
const ASK_ELSEWHERE: Duration = Duration::from_millis(300);
