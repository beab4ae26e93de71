//! What this machine is busy with, read when it is asked for.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use sysinfo::{MemoryRefreshKind, RefreshKind, System};
use wire::news::HostState;

use crate::core::time::Millis;

/// Reads load and memory, each not more often than is worth it.
#[derive(Default)]
pub struct Load {
    sampled: Cell<Option<Millis>>,
    memory: RefCell<Option<Memory>>,
}

struct Memory {
    at: Millis,
    all_mib: u64,
    free_mib: u64,
}

impl Load {
    /// Runnable tasks and the load average over a minute; `None` when they were read just now.
    pub fn sample(&self, now: Millis) -> Option<(f64, f64)> {
        if self.sampled.get().is_some_and(|last| now.since(last) < OFTEN_ENOUGH) {
            return None;
        }
        let load = sys::host::load_average().ok()?;
        self.sampled.set(Some(now));
        Some((f64::from(load.runnable), load.one))
    }

    /// Fills in what admission does not know.
    pub fn complete(&self, state: &mut HostState, now: Millis) {
        let mut memory = self.memory.borrow_mut();
        if memory.as_ref().is_none_or(|memory| now.since(memory.at) >= MEMORY_OFTEN_ENOUGH) {
            let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
            if let Ok(system) = System::new_with_specifics(kind) {
                *memory = Some(Memory {
                    at: now,
                    all_mib: system.total_memory() >> 20,
                    free_mib: system.available_memory() >> 20,
                });
            }
        }
        if let Some(memory) = &*memory {
            state.memory_mib = memory.all_mib;
            state.memory_free_mib = memory.free_mib;
        }
        state.platform = platform();
        state.version = env!("CARGO_PKG_VERSION").to_owned();
        let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        state.clock_us = clock.map_or(0, |clock| clock.as_micros() as u64);
    }
}

/// The memory of this host in bytes; 0: it cannot be read.
pub fn memory() -> u64 {
    let kind = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    System::new_with_specifics(kind).map_or(0, |system| system.total_memory())
}

fn platform() -> String {
    format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH)
}

/// The kernel's figure is of this instant; more samples only cost time.
const OFTEN_ENOUGH: Duration = Duration::from_millis(100);
const MEMORY_OFTEN_ENOUGH: Duration = Duration::from_secs(2);
