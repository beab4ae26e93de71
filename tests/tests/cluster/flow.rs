//! A session with bytes going both ways all the time, each of which is checked.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use queue_tests::cluster::Cluster;
use queue_tests::process::{Ended, PATIENCE, Process};
use queue_tests::wait::until;

/// `queue -n -h HOST -- cat`, fed with bytes that never repeat.
pub struct Flow {
    process: Process,
    state: Arc<State>,
    writer: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    sent: AtomicU64,
    back: AtomicU64,
    wrong: AtomicBool,
    presses: AtomicBool,
    over: AtomicBool,
}

impl Flow {
    /// From `home` to a job on `host`.
    pub fn start(cluster: &Cluster, home: &str, host: &str) -> Self {
        let state = Arc::new(State::default());
        let (checking, mut expected) = (state.clone(), Bytes::default());
        let command = cluster.command(home, &["queue", "-n", "-h", host, "--", "cat"]);
        let mut process = Process::start_watching(command, move |bytes, _| {
            if !bytes.iter().all(|byte| Some(*byte) == expected.next()) {
                checking.wrong.store(true, Ordering::SeqCst);
            }
            checking.back.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        });
        let mut input = process.take_input().expect("it has one");
        let (sending, mut bytes) = (state.clone(), Bytes::default());
        let writer = std::thread::spawn(move || {
            while !sending.over.load(Ordering::SeqCst) {
                let ahead = sending.sent.load(Ordering::SeqCst) - sending.back.load(Ordering::SeqCst);
                if ahead > MOST_AHEAD && !sending.presses.load(Ordering::SeqCst) {
                    std::thread::sleep(PACE);
                    continue;
                }
                let piece: Vec<u8> = bytes.by_ref().take(PIECE).collect();
                // A session that has failed says so itself.
                if input.write_all(&piece).is_err() {
                    return;
                }
                sending.sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
        });
        let flow = Self { process, state, writer };
        flow.goes_on();
        flow
    }

    /// Waits until much more than what may be on its way has come back.
    pub fn goes_on(&self) {
        let before = self.state.back.load(Ordering::SeqCst);
        until(&format!("the session goes on; it said {:?}", self.process.errors()), PATIENCE * 2, || {
            (self.state.back.load(Ordering::SeqCst) > before + 2 * MOST_AHEAD).then_some(())
        });
        assert!(!self.state.wrong.load(Ordering::SeqCst), "other bytes came back than were sent");
    }

    /// Sends as much as is taken while `during` lasts, so that something is always unanswered.
    pub fn presses_while(&self, during: impl FnOnce()) {
        self.state.presses.store(true, Ordering::SeqCst);
        during();
        self.state.presses.store(false, Ordering::SeqCst);
    }

    /// Ends the input; all of it must have come back, and the job have ended well.
    pub fn ends_well(self) {
        let ended = self.ends();
        assert_eq!((ended.code(), ended.errors().as_str()), (Some(0), ""));
    }

    /// Ends the input, and how the session ended. If it says that all is well, nothing was lost.
    pub fn ends(self) -> Ended {
        let Self { process, state, writer } = self;
        state.over.store(true, Ordering::SeqCst);
        let ended = process.end_within(PATIENCE * 2);
        writer.join().expect("it does not panic");
        if ended.code() == Some(0) {
            let [sent, back] = [&state.sent, &state.back].map(|count| count.load(Ordering::SeqCst));
            assert_eq!(sent, back, "bytes were lost or doubled");
            assert!(!state.wrong.load(Ordering::SeqCst), "other bytes came back than were sent");
        }
        ended
    }
}

/// Bytes that are the same each time and have no short period (xorshift64*).
struct Bytes {
    state: u64,
    rest: [u8; 8],
    left: usize,
}

impl Default for Bytes {
    fn default() -> Self {
        Self { state: 0x9e37_79b9_7f4a_7c15, rest: [0; 8], left: 0 }
    }
}

impl Iterator for Bytes {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.left == 0 {
            self.state ^= self.state >> 12;
            self.state ^= self.state << 25;
            self.state ^= self.state >> 27;
            self.rest = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes();
            self.left = self.rest.len();
        }
        self.left -= 1;
        Some(self.rest[self.left])
    }
}

/// What may be under way. More would only cost the other tests their CPUs.
const MOST_AHEAD: u64 = 128 * 1024;
const PIECE: usize = 16 * 1024;
const PACE: Duration = Duration::from_millis(1);
