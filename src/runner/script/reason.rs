//! The reason for which a run failed, from its end and its last lines.

use std::process::ExitStatus;

use super::process::{Ended, Stopped};

/// One sentence; `None` for a run that ended well.
pub fn of(ended: &Ended) -> Option<String> {
    match ended.stopped {
        Some(Stopped::Interrupted) => return Some("interrupted".to_owned()),
        Some(Stopped::Wall { seconds, option }) => {
            return Some(format!("wall clock: still running after {seconds} s, and ended because of {option}"));
        }
        Some(Stopped::Train { seconds, option }) => {
            return Some(format!(
                "wall clock: its training clock passed {seconds} s, and it was ended because of {option}"
            ));
        }
        None => {}
    }
    if ended.status.success() {
        return None;
    }
    let status = shown(ended.status);
    Some(match in_words(ended) {
        Some(reason) => format!("{reason} ({status})"),
        None => status,
    })
}

/// `exit status 1`, `killed by signal 9`.
pub fn shown(status: ExitStatus) -> String {
    match (status.code(), signal(status)) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => format!("killed by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

fn signal(status: ExitStatus) -> Option<i32> {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        status.signal()
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        None
    }
}

/// Returns the known meaning of the last lines, or of the signal. The more special comes first.
fn in_words(ended: &Ended) -> Option<String> {
    let said = |texts: &[&str]| ended.tail.iter().any(|line| texts.iter().any(|text| line.contains(text)));
    let nccl_late = ["Watchdog caught collective operation timeout", "NCCL timeout", "NCCL time-out"];
    let no_room = ["No space left on device", "Disk quota exceeded", "File too large"];
    // SIGXFSZ, by which a limit on file sizes ends a process.
    if said(&no_room) || signal(ended.status) == Some(25) {
        Some("no space: the disk, a quota or a limit on file sizes left no room; make room".to_owned())
    } else if said(&nccl_late) || said(&["NCCL"]) && said(&["timed out", "timeout"]) {
        Some(
            "NCCL time-out: a rank waited in vain for another; an earlier line of another rank often says why"
                .to_owned(),
        )
    } else if said(&["CUDA out of memory", "OutOfMemoryError", "CUBLAS_STATUS_ALLOC_FAILED"]) {
        Some(
            "out of memory on the GPU: make the batch smaller, or free the device (nvidia-smi lists who uses it)"
                .to_owned(),
        )
    } else if said(&["MemoryError", "Cannot allocate memory", "std::bad_alloc"]) {
        Some("out of memory".to_owned())
    } else if signal(ended.status) == Some(9) || said(&["Signal 9 (SIGKILL)", "exitcode : -9", "exitcode  : -9"]) {
        Some(
            "killed: nobody asked it to end; mostly the kernel does this when memory runs out (dmesg tells)".to_owned(),
        )
    } else {
        exception(&ended.tail)
    }
}

/// The exception of a traceback: its last line.
fn exception(tail: &[String]) -> Option<String> {
    let traceback = tail.iter().rposition(|line| line.contains("Traceback (most recent call last)"))?;
    let is_exception = |line: &&String| {
        let name = line.split([':', ' ']).next().unwrap_or_default();
        let kinds = ["Error", "Exception", "Exit", "Interrupt", "Iteration"];
        !line.starts_with(' ') && kinds.iter().any(|kind| name.ends_with(kind))
    };
    tail.get(traceback + 1..)?.iter().find(is_exception).cloned()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn ended(raw: i32, stopped: Option<Stopped>, tail: &[&str]) -> Ended {
        let tail = tail.iter().map(|line| (*line).to_owned()).collect();
        Ended { status: ExitStatus::from_raw(raw), stopped, seconds: 1.0, left_behind: 0, tail }
    }

    fn said(raw: i32, tail: &[&str]) -> String {
        of(&ended(raw, None, tail)).unwrap()
    }

    #[test]
    fn each_way_to_fail_is_told() {
        let failed = 1 << 8;
        assert!(
            said(failed, &["torch.OutOfMemoryError: CUDA out of memory. Tried …"])
                .starts_with("out of memory on the GPU")
        );
        assert!(
            said(failed, &["[rank3] Watchdog caught collective operation timeout: …"]).starts_with("NCCL time-out")
        );
        assert!(said(failed, &["OSError: [Errno 28] No space left on device"]).starts_with("no space"));
        assert!(said(9, &[]).starts_with("killed: ") && said(9, &[]).ends_with("(killed by signal 9)"));
        assert!(said(failed, &["      Signal 9 (SIGKILL) received by PID 7"]).starts_with("killed: "));
        let crash = ["Traceback (most recent call last):", "  File \"x\", line 1", "ValueError: no", "note"];
        assert_eq!(said(failed, &crash), "ValueError: no (exit status 1)");
        assert_eq!(said(3 << 8, &["gone"]), "exit status 3");
        assert_eq!(of(&ended(0, None, &["NCCL timeout"])), None);
        assert!(
            of(&ended(15, Some(Stopped::Wall { seconds: 60.0, option: "--enforce" }), &[]))
                .unwrap()
                .contains("after 60 s")
        );
    }
}
