//! A program under test: its input and outputs are the test's, it has a deadline, and it never
//! outlives its test.

use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::wait::until;

/// How long anything may take that usually takes a moment. Machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A pipe that takes nothing until somebody reads: whoever says something into it stands still.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("there are descriptors");
    let blocking = |flags| fcntl(&writer, FcntlArg::F_SETFL(flags)).expect("it is a pipe");
    blocking(OFlag::O_NONBLOCK);
    while nix::unistd::write(&writer, &[b'.'; 4096]).is_ok() {}
    blocking(OFlag::empty());
    (reader, writer)
}

/// A program that says something on standard error, and stands still at it until it is let go.
pub struct Halted {
    child: Child,
    said: PipeReader,
}

impl Halted {
    /// Starts `command`.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(mut command: Command) -> Self {
        let (said, writer) = full_pipe();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(writer).spawn();
        Self { child: child.expect("it was built"), said }
    }

    /// Lets it go on with this input, to its end; what it wrote, and what it said.
    ///
    /// # Panics
    /// When it takes no input.
    pub fn end_with(mut self, input: &[u8]) -> (std::process::Output, String) {
        let mut said = self.said;
        let says = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = said.read_to_string(&mut text);
            text
        });
        self.child.stdin.take().expect("piped").write_all(input).expect("it reads");
        let output = self.child.wait_with_output().expect("it is ours");
        (output, says.join().expect("it only reads"))
    }
}

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    what: String,
    stdin: Option<ChildStdin>,
    outputs: [Output; 2],
}

/// Bytes that a thread takes from a pipe until the last writer has gone.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

/// How a program ended and what it said.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
    what: String,
}

impl Process {
    /// Starts `command` with an input that is [`Process::send`] to, and collects its outputs.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(command: Command) -> Self {
        Self::start_watching(command, |bytes, collected| collected.extend_from_slice(bytes))
    }

    /// As [`Process::start`], but `watch` gets each piece of standard output and decides what of
    /// it is collected.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start_watching(mut command: Command, watch: impl FnMut(&[u8], &mut Vec<u8>) + Send + 'static) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {what}: {error}"));
        let stdin = child.stdin.take();
        let all = |bytes: &[u8], collected: &mut Vec<u8>| collected.extend_from_slice(bytes);
        let outputs = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => [Output::of(stdout, watch), Output::of(stderr, all)],
            _ => unreachable!("both were asked for"),
        };
        Self { child, what, stdin, outputs }
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// When it takes no input any more.
    pub fn send(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("its input is open");
        stdin.write_all(bytes).unwrap_or_else(|error| panic!("{} takes no input: {error}", self.what));
    }

    /// Its standard input, for somebody else to write to.
    pub fn take_input(&mut self) -> Option<ChildStdin> {
        self.stdin.take()
    }

    /// Standard output so far.
    pub fn stdout(&self) -> Vec<u8> {
        self.outputs[0].so_far()
    }

    /// Standard error so far, as text.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.outputs[1].so_far()).into_owned()
    }

    /// Waits until standard output has `text` in it.
    ///
    /// # Panics
    /// When it has not in time.
    pub fn until_it_says(&self, text: &str) {
        until(&format!("{} says {text:?}", self.what), PATIENCE, || {
            String::from_utf8_lossy(&self.stdout()).contains(text).then_some(())
        });
    }

    /// Whether it has not ended yet.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Closes its input and waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    /// As [`Process::end`], for something that takes longer.
    ///
    /// # Panics
    /// When it does not end in time, or somebody goes on holding its outputs.
    pub fn end_within(mut self, patience: Duration) -> Ended {
        drop(self.stdin.take());
        let what = std::mem::take(&mut self.what);
        let status = until(&format!("the end of {what}, which said {:?}", self.errors()), patience, || {
            self.child.try_wait().expect("it is our child")
        });
        until(&format!("the outputs of {what} are closed by all who had them"), patience, || {
            self.outputs.iter().all(|output| output.reader.is_finished()).then_some(())
        });
        let [stdout, stderr] = [0, 1].map(|index| self.outputs[index].so_far());
        Ended { status, stdout, stderr, what }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself, and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static, mut watch: impl FnMut(&[u8], &mut Vec<u8>) + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let collected = bytes.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                let mut collected = collected.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                watch(&buffer[..count], &mut collected);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> Vec<u8> {
        self.bytes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Ended {
    /// Its exit code, if no signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Standard output as text, without the line feed at its end.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned()
    }

    /// Standard error as text, without the line feed at its end.
    pub fn errors(&self) -> String {
        String::from_utf8_lossy(&self.stderr).trim_end_matches('\n').to_owned()
    }

    /// Itself, if it ended with 0.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn success(self) -> Self {
        assert!(self.status.success(), "{} ended with {} and said {:?}", self.what, self.status, self.errors());
        self
    }

    /// Asserts that it ended with `code` and said exactly `sentence` on standard error.
    ///
    /// # Panics
    /// When it did not.
    #[track_caller]
    pub fn fails(&self, code: i32, sentence: &str) {
        assert_eq!((self.code(), self.errors().as_str()), (Some(code), sentence), "{}", self.what);
    }
}
