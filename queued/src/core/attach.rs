//! Which session a person means who wants to attach.

use wire::api::{AttachRequest, Refusal, RefusalKind, SessionRow, SessionState, SessionsAnswer};

/// The session that is meant; without a name the only one that nobody is with, or to look at the only one
/// there is. `own` is the host where this is asked, whose jobs need no host behind their number.
///
/// # Errors
/// The sentence says what there is instead.
pub fn session_meant<'a>(
    request: &AttachRequest,
    own: &str,
    SessionsAnswer { sessions: rows, silent }: &'a SessionsAnswer,
) -> Result<&'a SessionRow, Refusal> {
    let mut unsure = String::new();
    if !silent.is_empty() {
        unsure = format!("; no answer from {}", silent.join(", "));
    }
    let named = |row: &SessionRow| row.name(own);
    let usage = |message: String| Refusal { kind: RefusalKind::Usage, message };
    let Some(job) = &request.job else {
        let has_nobody = |row: &&SessionRow| request.view || !matches!(row.state, SessionState::Attached(_));
        let waiting = rows.iter().filter(has_nobody).collect::<Vec<_>>();
        let what = if request.view { "there" } else { "detached" };
        return match waiting[..] {
            [one] => Ok(one),
            [] => Err(usage(format!("no session of yours is {what} (queue sessions){unsure}"))),
            _ => {
                let names = waiting.iter().map(|row| named(row)).collect::<Vec<_>>().join(", ");
                Err(usage(format!("which one? {what} are {names}; say: queue attach {}", named(waiting[0]))))
            }
        };
    };
    let home = job.home.as_deref().unwrap_or(own);
    let same = |host: &str| host.eq_ignore_ascii_case(home);
    if let Some(row) = rows.iter().find(|row| row.job_id == job.id && same(&row.home)) {
        return Ok(row);
    }
    // A number alone is enough where only one session has it.
    let others = rows.iter().filter(|row| row.job_id == job.id && job.home.is_none()).collect::<Vec<_>>();
    match others[..] {
        [one] => Ok(one),
        [] => {
            let shown = job.home.as_ref().map_or(job.id.to_string(), |home| format!("{}@{home}", job.id));
            Err(usage(format!("no session {shown} of yours is running (queue sessions){unsure}")))
        }
        _ => {
            let names = others.iter().map(|row| named(row)).collect::<Vec<_>>().join(", ");
            Err(usage(format!("{} is more than one session: {names}", job.id)))
        }
    }
}

#[cfg(test)]
mod tests {
    use wire::api::JobName;
    use wire::job::Descriptor;

    use super::*;

    fn row(job_id: u64, home: &str, state: SessionState) -> SessionRow {
        SessionRow {
            job_id,
            home: home.into(),
            host: "onefish".into(),
            queue: "now".into(),
            command: "vi".into(),
            session: format!("{job_id}{home}"),
            descriptors: [Descriptor::Pty; 3],
            age_ms: 0,
            state,
            since_ms: 0,
        }
    }

    fn meant(job: Option<(u64, Option<&str>)>, rows: &[SessionRow], silent: &[String]) -> Result<String, String> {
        let job = job.map(|(id, home)| JobName { id, home: home.map(str::to_owned) });
        let request = AttachRequest { job, view: false, public_key: [0; 32], certificate: None };
        let answer = SessionsAnswer { sessions: rows.to_vec(), silent: silent.to_vec() };
        session_meant(&request, "redfish", &answer).map(|row| row.session.clone()).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_number_is_the_own_hosts_or_the_only_one() {
        let attached = || SessionState::Attached("x".into());
        let rows = [
            row(1, "redfish", attached()),
            row(1, "bluefish", SessionState::Detached),
            row(2, "bluefish", attached()),
            row(3, "bluefish", attached()),
            row(3, "onefish", attached()),
        ];
        assert_eq!(meant(Some((1, None)), &rows, &[]), Ok("1redfish".into()));
        assert_eq!(meant(Some((1, Some("BlueFish"))), &rows, &[]), Ok("1bluefish".into()));
        assert_eq!(meant(Some((2, None)), &rows, &[]), Ok("2bluefish".into()));
        assert_eq!(meant(Some((3, None)), &rows, &[]), Err("3 is more than one session: 3@bluefish, 3@onefish".into()));
        assert_eq!(meant(None, &rows, &[]), Ok("1bluefish".into()));
        let silent = ["twofish".to_owned()];
        assert_eq!(
            meant(Some((9, Some("redfish"))), &rows, &silent),
            Err("no session 9@redfish of yours is running (queue sessions); no answer from twofish".into())
        );
    }

    #[test]
    fn without_a_number_it_must_be_clear_which() {
        let two = [row(1, "redfish", SessionState::Detached), row(2, "bluefish", SessionState::Detached)];
        assert_eq!(meant(None, &two, &[]), Err("which one? detached are 1, 2@bluefish; say: queue attach 1".into()));
        assert_eq!(meant(None, &[], &[]), Err("no session of yours is detached (queue sessions)".into()));
    }
}
