//! Ctrl-C and SIGTERM: a flag that long work looks at, so that it stops between two steps with its state on disk.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static HANDLER: Once = Once::new();

/// The flag; the first call installs the handler. A second signal ends the process at once.
pub fn flag() -> &'static AtomicBool {
    HANDLER.call_once(|| {
        let handler = || {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(crate::error::exit::INTERRUPTED));
            }
        };
        // Without a handler a signal simply kills the process, and the run directory still lets it continue.
        let _ = ctrlc::set_handler(handler);
    });
    &STOP
}
