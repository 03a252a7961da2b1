//! Ctrl-C and SIGTERM: a flag that long work looks at, so that it stops between two steps with its state on disk.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();
static LAST: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// The flag; the first call installs the handler. A second signal ends the process at once.
pub fn flag() -> &'static AtomicBool {
    HANDLER.call_once(|| {
        let handler = || {
            if STOP.swap(true, Ordering::Relaxed) {
                if let Some(last) = LAST.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
                    last();
                }
                std::process::exit(i32::from(crate::error::exit::INTERRUPTED));
            }
        };
        // Without a handler a signal simply kills the process, and the run directory still lets it continue.
        let _ = ctrlc::set_handler(handler);
    });
    &STOP
}

/// Work that remains when a second signal ends the process at once: ending processes that were started.
pub struct Hook(());

impl Hook {
    /// Holds until it is dropped. There is one at a time.
    pub fn new(last: impl Fn() + Send + 'static) -> Hook {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(last));
        Hook(())
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}
