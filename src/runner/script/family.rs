//! The processes of a run: its group, and whoever left the group but carries its mark.
//!
//! torchrun starts its workers in sessions of their own, so a group alone does not hold them. Each run's environment has a
//! mark that no other has, and children inherit it; on Linux `/proc` tells who carries it, even after caddie itself was killed.

use std::time::{Duration, Instant};

/// Name of the mark in the environment.
pub const MARK: &str = "CADDIE_RUN";

/// Time between two looks for processes that have ended.
const GLANCE: Duration = Duration::from_millis(20);
/// Time for the system to take killed processes away.
const TAKE_AWAY: Duration = Duration::from_secs(5);

/// The processes of one run.
#[derive(Debug, Clone)]
pub struct Family {
    /// The first process, whose id is that of the group; `None` for a run of an earlier start, whose ids may be others' now.
    leader: Option<i32>,
    mark: String,
}

impl Family {
    /// The family of a process that was just started as the leader of its group.
    pub fn of(leader: u32, mark: &str) -> Family {
        Family { leader: i32::try_from(leader).ok(), mark: mark.to_owned() }
    }

    /// The family of a run that an earlier start began.
    pub fn left_by(mark: &str) -> Family {
        Family { leader: None, mark: mark.to_owned() }
    }

    /// Ends every process: asks with SIGTERM, and kills what is still there after `grace`. Returns how many there were.
    pub fn end(&self, grace: Duration) -> usize {
        let found = self.count();
        if found == 0 {
            return 0;
        }
        self.signal(Signal::Term);
        if !self.gone_within(grace) {
            self.kill();
        }
        found
    }

    /// Kills every process, also those that are being started meanwhile.
    pub fn kill(&self) {
        let until = Instant::now() + TAKE_AWAY;
        while self.count() > 0 && Instant::now() < until {
            self.signal(Signal::Kill);
            std::thread::sleep(GLANCE);
        }
    }

    fn gone_within(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while Instant::now() < until {
            if self.count() == 0 {
                return true;
            }
            std::thread::sleep(GLANCE);
        }
        self.count() == 0
    }
}

#[derive(Debug, Clone, Copy)]
enum Signal {
    Term,
    Kill,
}

#[cfg(unix)]
impl Family {
    fn signal(&self, signal: Signal) {
        use nix::sys::signal::{Signal as S, kill, killpg};
        use nix::unistd::Pid;
        let signal = match signal {
            Signal::Term => S::SIGTERM,
            Signal::Kill => S::SIGKILL,
        };
        // A process that ended meanwhile is what is wanted.
        if let Some(leader) = self.leader {
            let _ = killpg(Pid::from_raw(leader), signal);
        }
        for member in self.members() {
            let _ = kill(Pid::from_raw(member), signal);
        }
    }
}

#[cfg(not(unix))]
impl Family {
    fn signal(&self, _: Signal) {}
}

#[cfg(target_os = "linux")]
impl Family {
    /// Counts the processes.
    pub fn count(&self) -> usize {
        self.members().len()
    }

    /// Processes of the group or with the mark that have not ended, caddie excepted.
    fn members(&self) -> Vec<i32> {
        let own = i32::try_from(std::process::id()).ok();
        let mark = format!("{MARK}={}", self.mark);
        let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| Some(*id) != own && self.is_member(*id, mark.as_bytes())).collect()
    }

    fn is_member(&self, id: i32, mark: &[u8]) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else { return false };
        // The name in parentheses may hold anything; state and group follow it.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let (state, group) = (fields.next(), fields.nth(1).and_then(|group| group.parse::<i32>().ok()));
        if matches!(state, Some("Z" | "X") | None) {
            return false;
        }
        if self.leader.is_some() && group == self.leader {
            return true;
        }
        let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == mark)
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
impl Family {
    /// Counts 1 where there are processes in the group: this system tells nothing of those that left it.
    pub fn count(&self) -> usize {
        use nix::sys::signal::killpg;
        use nix::unistd::Pid;
        let alive = self.leader.is_some_and(|leader| killpg(Pid::from_raw(leader), None).is_ok());
        usize::from(alive)
    }

    fn members(&self) -> Vec<i32> {
        Vec::new()
    }
}

#[cfg(not(unix))]
impl Family {
    /// Nothing is known of processes here.
    pub fn count(&self) -> usize {
        0
    }
}
