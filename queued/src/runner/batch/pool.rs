//! A few threads for what may wait: disks, and others who read or write.
//!
//! A thread is made when there is work and leaves when there was none for a while.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

type Work = Box<dyn FnOnce() + Send>;

/// Threads of one kind, and the line before them.
pub struct Pool {
    inner: Arc<Inner>,
    most_threads: usize,
    most_waiting: usize,
}

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    running: usize,
    threads: usize,
    idle: usize,
}

impl Pool {
    /// None yet. At most so many threads, and so much in the line before them.
    pub fn new(most_threads: usize, most_waiting: usize) -> Self {
        Self { inner: Arc::default(), most_threads, most_waiting }
    }

    /// Has this done when a thread is free; false when the line is full.
    pub fn run(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let mut state = self.inner.lock();
        if state.waiting.len() + state.running >= self.most_threads.saturating_add(self.most_waiting) {
            return false;
        }
        state.waiting.push_back(Box::new(work));
        if state.idle >= state.waiting.len() {
            self.inner.wake.notify_one();
        } else if state.threads < self.most_threads {
            let inner = self.inner.clone();
            let made = std::thread::Builder::new().name("helper".into()).stack_size(STACK).spawn(move || {
                let counted = Counted { inner, is_busy: Cell::new(false) };
                while let Some(work) = counted.next() {
                    work();
                }
            });
            if made.is_ok() {
                state.threads += 1;
            } else if state.threads == 0 {
                // Nobody else would ever do it.
                let all = std::mem::take(&mut state.waiting);
                drop(state);
                all.into_iter().for_each(|work| work());
            }
        }
        true
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread, which is taken out of the count when it ends, a panic included.
struct Counted {
    inner: Arc<Inner>,
    is_busy: Cell<bool>,
}

impl Counted {
    fn next(&self) -> Option<Work> {
        let mut state = self.inner.lock();
        if self.is_busy.replace(false) {
            state.running -= 1;
        }
        loop {
            if let Some(work) = state.waiting.pop_front() {
                state.running += 1;
                self.is_busy.set(true);
                return Some(work);
            }
            state.idle += 1;
            let waited = self.inner.wake.wait_timeout(state, IDLE);
            let (next, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = next;
            state.idle -= 1;
            if timeout.timed_out() && state.waiting.is_empty() {
                return None;
            }
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut state = self.inner.lock();
        state.threads -= 1;
        state.running -= usize::from(self.is_busy.get());
    }
}

/// A thread without work leaves after this.
const IDLE: Duration = Duration::from_secs(5);
/// Their calls are not deep; their buffers are on the heap.
const STACK: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn everything_is_done_by_no_more_threads_than_allowed_and_a_full_line_says_so() {
        let pool = Pool::new(2, 3);
        let (done, results) = mpsc::channel();
        let (gate, closed) = mpsc::channel::<()>();
        let closed = Arc::new(Mutex::new(closed));
        let begun = Arc::new((Mutex::new(0), Condvar::new()));
        let work = |number: i32| {
            let (done, closed, begun) = (done.clone(), closed.clone(), begun.clone());
            move || {
                *begun.0.lock().expect("nobody panics") += 1;
                begun.1.notify_all();
                // Ends when the gate has gone.
                let _ = closed.lock().expect("nobody panics").recv();
                done.send(number).expect("the test is there");
            }
        };
        assert!(pool.run(work(0)) && pool.run(work(1)));
        let busy = begun.1.wait_while(begun.0.lock().expect("nobody panics"), |begun| *begun < 2);
        assert_eq!(*busy.expect("nobody panics"), 2);
        assert!((2..5).all(|number| pool.run(work(number))));
        assert!(!pool.run(work(5)), "there are three in the line");
        assert_eq!(*begun.0.lock().expect("nobody panics"), 2, "a third thread");
        drop(gate);
        let mut all = (0..5).map(|_| results.recv().expect("all are done")).collect::<Vec<_>>();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }
}
