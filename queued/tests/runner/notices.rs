//! What is done at the end of a job: only what its owner has signed.

use queued::link::{FromRunner, Notify, ToRunner};
use wire::ByteString;
use wire::batch::JobRow;

use crate::batch::job;
use crate::host::Host;

/// Has the runner do it; the reason why it did not go well.
fn notify(host: &mut Host, notify: Notify) -> Option<String> {
    let wanted = notify.request;
    host.tell(&ToRunner::Notify(Box::new(notify)));
    match host.hear() {
        FromRunner::Transferred { request, error, .. } if request == wanted => error,
        other => panic!("{other:?} instead of Transferred"),
    }
}

#[test]
fn the_runner_does_what_was_signed_and_nothing_else() {
    let mut host = Host::new("notices");
    let told = host.path("told");
    let wish = |text: &str| Some(ByteString::from(format!("{text}; cat >{}", told.display()).as_str()));
    let mut signed = job(&host, "exit 0");
    signed.batch.as_mut().expect("a batch job").notify = wish("test $QUEUE_STATE = dead");
    let warrant = host.warrant(&signed);
    let row = JobRow { state: "dead".into(), notify: wish("false"), ..JobRow::default() };
    let asked = |job: &wire::job::Job, request| Notify {
        request,
        job: job.clone(),
        warrant: warrant.clone(),
        row: row.clone(),
        text: "how it went".into(),
    };
    let mut forged = signed.clone();
    forged.batch.as_mut().expect("a batch job").notify = wish("true");
    let why = notify(&mut host, asked(&forged, 1)).expect("another command than was signed");
    assert!(why.starts_with("the job's warrant is refused"), "{why}");
    assert!(!told.exists());
    assert_eq!(notify(&mut host, asked(&signed, 2)), None, "what the row says is nobody's word");
    assert_eq!(std::fs::read_to_string(&told).expect("it ran"), "how it went");
}
