//! Ctrl-C and SIGTERM: a flag that long work looks at, so that it stops between two steps with its state on disk.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError};

static STOP: AtomicBool = AtomicBool::new(false);
/// True where the first signal ends the process: the command has no state that it would have to bring to rest.
static AT_ONCE: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();
/// Work that remains when a second signal comes.
type Remaining = Box<dyn Fn() + Send>;

static LAST: Mutex<Vec<(u64, Remaining)>> = Mutex::new(Vec::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// The flag; the first call installs the handler. A second signal ends the process at once.
pub fn flag() -> &'static AtomicBool {
    HANDLER.call_once(|| {
        let handler = || {
            if STOP.swap(true, Ordering::Relaxed) || AT_ONCE.load(Ordering::Relaxed) {
                LAST.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|(_, last)| last());
                std::process::exit(i32::from(crate::error::exit::INTERRUPTED));
            }
        };
        // Without a handler a signal simply kills the process, and the run directory still lets it continue.
        let _ = ctrlc::set_handler(handler);
    });
    &STOP
}

/// Lets the first signal end the process, with the exit code of an interruption: for commands that only read.
pub fn at_once() {
    AT_ONCE.store(true, Ordering::Relaxed);
    flag();
}

/// Work that remains when a second signal ends the process at once: ending processes that were started.
pub struct Hook(u64);

impl Hook {
    /// Holds until it is dropped. Runs that go on side by side have one each.
    pub fn new(last: impl Fn() + Send + 'static) -> Hook {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        LAST.lock().unwrap_or_else(PoisonError::into_inner).push((id, Box::new(last)));
        Hook(id)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        LAST.lock().unwrap_or_else(PoisonError::into_inner).retain(|(id, _)| *id != self.0);
    }
}
