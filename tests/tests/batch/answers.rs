//! A client whose answer got lost says the same again, and nothing is there twice.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use queue_tests::process::Process;
use queue_tests::programs;

use crate::here::Here;

#[test]
fn a_submission_whose_answer_was_lost_is_repeated_and_is_one_job() {
    let here = Here::new();
    here.submit(&["--", "true"]);
    let real = here.login.runtime().join("queue");
    let runtime = here.path("runtime");
    std::fs::create_dir(&runtime).expect("ours");
    std::fs::copy(real.join("host"), runtime.join("host")).expect("ours");
    let proxy = UnixListener::bind(runtime.join("queued.sock")).expect("ours");
    let lost = std::sync::Mutex::new(Vec::new());
    let mut command = here.login.command(programs::queue());
    command.args(["-r", "--", "sh", "-c", "echo once >>ran"]).current_dir(here.path(""));
    let client = Process::start({
        command.env("QUEUE_RUNTIME", &runtime);
        command
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut submissions = 0;
            // Twice a submission: the answer of the first goes nowhere.
            while submissions < 2 {
                let (mut client, _) = proxy.accept().expect("the client comes");
                let request = whole_request(&mut client);
                let answer = exchange(&real.join("queued.sock"), &request);
                if request.starts_with(b"POST /v1/jobs ") {
                    submissions += 1;
                    lost.lock().expect("one thread").push(answer.clone());
                    if submissions == 1 {
                        continue;
                    }
                }
                client.write_all(&answer).expect("it reads");
            }
        });
    });
    assert_eq!(client.end().success().text(), "2");
    let answers = lost.into_inner().expect("one thread");
    let body = |answer: &[u8]| String::from_utf8_lossy(answer).split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    assert!(body(&answers[0]).is_some_and(|text| text.contains("redfish")), "{answers:?}");
    assert_eq!(body(&answers[0]), body(&answers[1]));
    assert_eq!(here.wait(&[2]), 0);
    assert_eq!(here.text("ran"), "once\n");
    assert_eq!(here.queue(&["list", "--parsable"]).success().text(), "1\n2");
}

/// A request up to the last byte that its head announces.
fn whole_request(client: &mut UnixStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&all);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
            if all.len() >= head.len() + 4 + length.unwrap_or(0) {
                return all;
            }
        }
        let count = client.read(&mut buffer).expect("it speaks");
        assert!(count > 0, "the request broke off: {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..count]);
    }
}

/// Passes a request on; the answer.
fn exchange(socket: &Path, request: &[u8]) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).expect("the daemon listens");
    stream.write_all(request).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    answer
}
