//! A terminal as a person has it: a screen to look at, keys to type on, and a program that leads
//! the session on it.
//!
//! The program is started by `setsid --ctty`: it leads a session of its own, and the pty is its
//! controlling terminal, also on a host of demo-cluster. A thread reads the other end of the pty
//! and keeps the screen, as a terminal emulator does whether or not somebody looks.
//!
//! The prompts of the shells here carry a count and the last exit status where nobody sees them,
//! in a window title. So "the next prompt" is something that happens, and not a guess from what
//! stands on the screen.

use std::cell::Cell;
use std::num::NonZero;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{read, write};
use sys::terminal::{Modes, Size};

use crate::wait;

/// A terminal with a program on it. When it is dropped the terminal hangs up, as if its window
/// had been closed.
pub struct Terminal {
    master: Option<OwnedFd>,
    leader: Child,
    seen: Arc<Seen>,
    reader: Option<JoinHandle<()>>,
    /// The reader ends when this is closed.
    stop: Option<OwnedFd>,
    prompts: Cell<u64>,
}

/// What stands on a screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// The text, rows separated by line feeds, without blanks at the end.
    pub text: String,
    /// Row and column, from 0.
    pub cursor: (u16, u16),
    /// Text, colours and modes of the terminal, as bytes that would bring them about.
    pub formatted: String,
    /// Whether a full-screen program has put the shell's screen aside.
    pub is_alternate: bool,
}

impl Terminal {
    /// Starts `program` as leader of a session on a new terminal. `on` is the command that a
    /// program is started by, such as `demo-cluster exec HOST --`; its variables are the program's.
    pub fn start(mut on: Command, program: &[&str], (rows, columns): (u16, u16)) -> Self {
        let pty = sys::pty::open().expect("there are terminals left");
        sys::terminal::set_size(pty.slave.as_fd(), &size(rows, columns)).expect("a terminal");
        sys::descriptors::set_nonblocking(pty.master.as_fd(), true).expect("a terminal");
        let copy = || pty.slave.try_clone().expect("there are descriptors left");
        let leader = on
            .args(["setsid", "--ctty"])
            .args(program)
            .stdin(copy())
            .stdout(copy())
            .stderr(copy())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", on.get_program()));
        // The command keeps its copies of the slave: with them the terminal would never end.
        drop((on, pty.slave));
        let seen = Arc::new(Seen::new(rows, columns));
        let (stopped, stop) = sys::descriptors::pipe().expect("there are descriptors left");
        let master = pty.master.try_clone().expect("there are descriptors left");
        let watching = seen.clone();
        let reader = std::thread::spawn(move || watching.read_all(&master, &stopped));
        Self { master: Some(pty.master), leader, seen, reader: Some(reader), stop: Some(stop), prompts: Cell::new(0) }
    }

    /// A bash at its first prompt.
    pub fn bash(on: Command, size: (u16, u16)) -> Self {
        // By env, because demo-cluster is a script, and a script's shell takes the prompt away.
        let prompt = r"PS1=$ \[\e]2;queue $((prompts+=1)) $?\a\]";
        let terminal =
            Self::start(on, &["env", prompt, "INPUTRC=/dev/null", "bash", "--norc", "--noprofile", "-i"], size);
        terminal.wait_for_prompt();
        // What is only done for some jobs would be seen as a difference.
        terminal.run("HISTFILE= ; ulimit -c 0; clear");
        terminal
    }

    /// A dash at its first prompt. Unlike bash it never repairs the terminal's modes, so what a
    /// program leaves behind stays to be seen.
    pub fn dash(on: Command, size: (u16, u16)) -> Self {
        let prompt = "PS1=$ \x1b]2;queue $((prompts=prompts+1)) $?\x07";
        let terminal = Self::start(on, &["env", prompt, "dash", "-i"], size);
        terminal.wait_for_prompt();
        terminal
    }

    /// A zsh at its first prompt, without its own ways of drawing it anew.
    pub fn zsh(on: Command, size: (u16, u16)) -> Self {
        let prompt = "PS1=$ %{\x1b]2;queue $((prompts=prompts+1)) $?\x07%}";
        let options = ["-f", "-i", "-o", "promptsubst", "-o", "nopromptsp", "-o", "nopromptcr"];
        let terminal = Self::start(on, &[&["env", prompt, "zsh"][..], &options].concat(), size);
        terminal.wait_for_prompt();
        terminal.run("ulimit -c 0; clear");
        terminal
    }

    /// A fish at its first prompt.
    pub fn fish(on: Command, size: (u16, u16)) -> Self {
        let functions = "function fish_prompt; set -l was $status; set -g prompts (math 0$prompts + 1); \
                         printf '$ \\e]2;queue %d %d\\a' $prompts $was; end; function fish_title; end; \
                         set -g fish_autosuggestion_enabled 0; set -g fish_greeting";
        let terminal = Self::start(on, &["fish", "--private", "--no-config", "-i", "-C", functions], size);
        terminal.wait_for_prompt();
        terminal.run("ulimit -c 0; clear");
        terminal
    }

    /// Types keys.
    pub fn type_keys(&self, keys: impl AsRef<[u8]>) {
        let mut rest = keys.as_ref();
        let deadline = Instant::now() + PATIENCE;
        while !rest.is_empty() {
            match write(self.master(), rest) {
                Ok(count) => rest = &rest[count..],
                Err(nix::errno::Errno::EAGAIN) if Instant::now() < deadline => {
                    wait_for(self.master(), PollFlags::POLLOUT);
                }
                Err(error) => panic!("nobody takes the keys {:?}: {error}\n{}", rest.escape_ascii(), self.seen.shown()),
            }
        }
    }

    /// Types a line.
    pub fn type_line(&self, line: &str) {
        self.type_keys(format!("{line}\r"));
    }

    /// Types a command and waits for the shell's next prompt; the command's exit status.
    pub fn run(&self, command: &str) -> i32 {
        self.type_line(command);
        self.wait_for_prompt()
    }

    /// Waits for a prompt that was not waited for before; the exit status that it says.
    pub fn wait_for_prompt(&self) -> i32 {
        let before = self.prompts.get();
        let (count, status) = self
            .wait("the shell's prompt", |state| Some(state.parser.callbacks().0).filter(|(count, _)| *count > before));
        self.prompts.set(count);
        status
    }

    /// Waits until this text stands somewhere on the screen.
    pub fn wait_for_text(&self, text: &str) {
        self.wait_until(&format!("{text:?} on the screen"), |picture| picture.text.contains(text));
    }

    /// Waits until a row of the screen is this.
    pub fn wait_for_line(&self, line: &str) {
        self.wait_until(&format!("a line {line:?}"), |picture| picture.has_line(line));
    }

    /// Waits until the screen is as `condition` wants it; `what` is for the message when it never is.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Picture) -> bool) -> Picture {
        self.wait(what, |state| Some(state.picture()).filter(|picture| condition(picture)))
    }

    /// Waits until these bytes have come, counted from the start, however little of them is left
    /// on the screen.
    pub fn wait_for_bytes(&self, what: &str, mut condition: impl FnMut(&[u8]) -> bool) {
        self.wait(what, |state| condition(&state.bytes).then_some(()));
    }

    /// The screen as it is now.
    pub fn picture(&self) -> Picture {
        self.seen.lock().picture()
    }

    /// All bytes that have come.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().bytes.clone()
    }

    /// Gives the window another size.
    pub fn resize(&self, (rows, columns): (u16, u16)) {
        self.seen.lock().parser.set_size(nonzero(rows), nonzero(columns));
        sys::terminal::set_size(self.master().as_fd(), &size(rows, columns)).expect("a terminal");
    }

    /// The terminal's modes as they are now.
    pub fn modes(&self) -> Modes {
        sys::terminal::modes(self.master().as_fd()).expect("a terminal")
    }

    /// Waits until the local flags of the terminal's modes are as `condition` wants them. The kernel
    /// tells nobody when they change.
    pub fn wait_for_flags(&self, what: &str, condition: impl Fn(u32) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition(self.modes().local) {
            assert!(Instant::now() < deadline, "{what}: it never has\n{}", self.seen.shown());
            std::thread::sleep(PAUSE);
        }
    }

    /// The foreground process group as this process sees it; 0 if it cannot.
    pub fn foreground(&self) -> i32 {
        sys::terminal::foreground(self.master().as_fd()).unwrap_or(0)
    }

    /// Says `fg` to the shell, and waits until it has named the job, given the terminal away and continued
    /// the job: what is typed before that is echoed before the name, a signal key is the shell's, and a
    /// stop that comes before the continuation is undone by it.
    pub fn bring_forward(&self) {
        let shell = self.foreground();
        // One that was reading takes the line otherwise.
        wait::until("the job is stopped as a whole", PATIENCE, || (!is_stopping(shell)).then_some(()));
        self.type_line("fg");
        let goes_on = || self.foreground() != shell && !has_stopped(self.foreground());
        wait::until("the job goes on", PATIENCE, || goes_on().then_some(()));
        self.wait_until("the shell names the job", |picture| {
            let said = picture.text.rsplit_once("$ fg\n");
            said.is_some_and(|(_, named)| named.contains(|character: char| !character.is_whitespace()))
        });
    }

    /// The process that was started, to be sent signals.
    pub fn leader(&self) -> i32 {
        self.leader.id() as i32
    }

    /// Waits until the program has ended.
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let (leader, seen) = (&mut self.leader, &self.seen);
        let deadline = Instant::now() + PATIENCE;
        wait::until("the end of the program on the terminal", 2 * PATIENCE, || {
            assert!(Instant::now() < deadline, "the program on the terminal has not ended\n{}", seen.shown());
            leader.try_wait().expect("it is our child")
        })
    }

    fn wait<T>(&self, what: &str, mut look: impl FnMut(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.seen.lock();
        loop {
            if let Some(found) = look(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.is_over {
                let why = if state.is_over { "the terminal has ended" } else { "nothing more came" };
                drop(state);
                panic!("{what}: {why}\n{}", self.seen.shown());
            }
            let woken = self.seen.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn master(&self) -> &OwnedFd {
        self.master.as_ref().expect("it is open until the drop")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(reader) = self.reader.take() {
            // It has nothing to say that was not seen.
            let _ = reader.join();
        }
        drop(self.master.take());
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.leader.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                // What outlives a hang-up would outlive the test.
                let _ = self.leader.kill();
                let _ = self.leader.wait();
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Picture {
    /// Whether a row is this, blanks at its end aside.
    pub fn has_line(&self, line: &str) -> bool {
        self.text.lines().any(|row| row.trim_end() == line)
    }

    /// The last row that is not empty.
    pub fn last_line(&self) -> &str {
        self.text.trim_end().lines().last().unwrap_or_default()
    }
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let screen = if self.is_alternate { "alternate screen" } else { "screen" };
        writeln!(f, "{screen}, cursor at {:?}:", self.cursor)?;
        for row in self.text.lines() {
            writeln!(f, "  | {row}")?;
        }
        Ok(())
    }
}

/// What has come from the pty, shared with the thread that reads it.
struct Seen {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Prompts>,
    bytes: Vec<u8>,
    is_over: bool,
}

/// The count of prompts and the exit status that the last one says.
struct Prompts((u64, i32));

impl vt100::Callbacks for Prompts {
    fn set_window_title(&mut self, _: &mut vt100::Screen, title: &[u8]) {
        let title = String::from_utf8_lossy(title);
        if let ["queue", count, status] = title.split(' ').collect::<Vec<_>>()[..] {
            self.0 = (count.parse().unwrap_or(0), status.parse().unwrap_or(-1));
        }
    }
}

impl Seen {
    fn new(rows: u16, columns: u16) -> Self {
        let parser = vt100::Parser::new_with_callbacks(nonzero(rows), nonzero(columns), 0, Prompts((0, 0)));
        Self { state: Mutex::new(State { parser, bytes: Vec::new(), is_over: false }), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads until no program has the terminal any more, or until the other end of `stopped` is
    /// closed.
    fn read_all(&self, master: &OwnedFd, stopped: &OwnedFd) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let mut ends =
                [PollFd::new(master.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
            let _ = poll(&mut ends, PollTimeout::NONE);
            let stop = ends[1].any().unwrap_or(true);
            let count = match read(master, &mut buffer) {
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) if !stop => continue,
                Ok(count) => count,
                Err(_) => 0,
            };
            let mut state = self.lock();
            state.parser.process(&buffer[..count]);
            state.bytes.extend_from_slice(&buffer[..count]);
            state.is_over = count == 0 || stop;
            self.changed.notify_all();
            if state.is_over {
                return;
            }
        }
    }

    /// For the message of a test that fails.
    fn shown(&self) -> String {
        let state = self.lock();
        let last = &state.bytes[state.bytes.len().saturating_sub(MOST_SHOWN)..];
        format!("{:?}last bytes: {}", state.picture(), last.escape_ascii())
    }
}

/// What is needed of a line of /proc/PID/stat.
struct Stat {
    state: char,
    group: i32,
    session: i32,
}

fn stats() -> Vec<Stat> {
    let entries = std::fs::read_dir("/proc").expect("a Linux system").flatten();
    let texts = entries.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    // State, parent, group and session follow the name, which may have anything in it.
    let stat = |text: String| {
        let mut fields = text.rsplit_once(") ")?.1.split(' ');
        let (state, _, group, session) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        Some(Stat { state: state.chars().next()?, group: group.parse().ok()?, session: session.parse().ok()? })
    };
    texts.filter_map(stat).collect()
}

/// Whether a process of this group is stopped.
fn has_stopped(group: i32) -> bool {
    stats().iter().any(|stat| stat.group == group && stat.state == 'T')
}

/// Whether a group of the shell's session is stopped in part: the rest has the signal, but has not run
/// since.
fn is_stopping(shell: i32) -> bool {
    let stats = stats();
    let ours = || stats.iter().filter(|stat| stat.session == shell);
    ours()
        .filter(|stat| stat.state == 'T')
        .any(|stopped| ours().any(|other| other.group == stopped.group && !matches!(other.state, 'T' | 'Z' | 'X')))
}

impl State {
    fn picture(&self) -> Picture {
        let screen = self.parser.screen();
        Picture {
            text: screen.contents().trim_end().to_owned(),
            cursor: screen.cursor_position(),
            formatted: screen.state_formatted(),
            is_alternate: screen.alternate_screen(),
        }
    }
}

fn wait_for(end: &OwnedFd, flags: PollFlags) {
    let _ = poll(&mut [PollFd::new(end.as_fd(), flags)], 100u8);
}

fn size(rows: u16, columns: u16) -> Size {
    Size { rows, columns, x_pixels: 0, y_pixels: 0 }
}

fn nonzero(number: u16) -> NonZero<u16> {
    NonZero::new(number).expect("a screen has rows and columns")
}

/// How long anything may take; it does on a machine that is busy with much else.
pub const PATIENCE: Duration = Duration::from_secs(40);
/// Between two looks at something that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(5);
/// Of the last bytes, in the message of a test that fails.
const MOST_SHOWN: usize = 2000;
