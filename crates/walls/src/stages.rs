//! The two steps behind the walls.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, getegid, geteuid, setgid, setgroups, setuid};

use crate::{Error, Limits, Plan, STAGE2, calls, landlocked, root};

/// Nobody, whose number owns nothing.
const NOBODY: u32 = 65534;

/// Switches the loopback of a new network namespace on.
const LOOPBACK: &str = "import fcntl,socket,struct
s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)
fcntl.ioctl(s,0x8914,struct.pack('16sh22x',b'lo',1|64))";

fn missing<E: std::fmt::Display>(wall: &'static str, what: &'static str) -> impl FnOnce(E) -> Error {
    move |error| Error::Missing { wall, reason: format!("{what}: {error}") }
}

/// The first step: leaves the namespaces of the system and starts the second one, the first process of its own.
pub fn leave(plan: &Path) -> Result<u8, Error> {
    die_with_parent()?;
    let (user, group) = (geteuid(), getegid());
    let spaces = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS;
    if user.is_root() {
        unshare(spaces).map_err(missing("processes", "namespaces"))?;
    } else {
        unshare(spaces | CloneFlags::CLONE_NEWUSER).map_err(missing("identity", "a namespace of users"))?;
        map(0, user.as_raw(), 0, group.as_raw())?;
    }
    let exe = std::env::current_exe().map_err(missing("processes", "this executable"))?;
    let child = Command::new(&exe).arg(STAGE2).arg(plan).status();
    child.map(code_of).map_err(|source| Error::Start { program: exe, source })
}

/// The second step: builds the program's world, gives up every privilege, runs the program, and ends with it.
pub fn close(plan: &Plan) -> Result<u8, Error> {
    die_with_parent()?;
    // The owner of an ordinary user's namespace is called root inside; outside he has no such privileges.
    let owner_of_namespace = std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| !is_identity(&map));
    let root_outside = !owner_of_namespace;
    if let Some(python) = &plan.loopback {
        // Without the loopback only programs that talk over it fail, and they say so themselves.
        let _ = Command::new(python).args(["-I", "-S", "-c", LOOPBACK]).stderr(Stdio::null()).status();
    }
    root::build(plan)?;
    limit(plan.limits)?;
    if root_outside {
        setgroups(&[]).map_err(missing("identity", "groups"))?;
        setgid(Gid::from_raw(NOBODY)).map_err(missing("identity", "group"))?;
        setuid(Uid::from_raw(NOBODY)).map_err(missing("identity", "user"))?;
    } else {
        let (user, group) = (geteuid(), getegid());
        unshare(CloneFlags::CLONE_NEWUSER).map_err(missing("identity", "a second namespace of users"))?;
        map(NOBODY, user.as_raw(), NOBODY, group.as_raw())?;
    }
    // A change of user clears this setting, so it is made again.
    die_with_parent()?;
    set_no_new_privs().map_err(missing("identity", "no new privileges"))?;
    landlocked::restrict(plan)?;
    calls::deny()?;
    run(plan)
}

/// Runs the program and reaps every other process that ends, as the first process of a namespace has to.
fn run(plan: &Plan) -> Result<u8, Error> {
    let program = plan.command.first().map_or(OsStr::new(""), OsStr::new);
    let start = Command::new(program)
        .args(plan.command.iter().skip(1))
        .current_dir(&plan.writable)
        .env_clear()
        .envs(&plan.env)
        .stdin(Stdio::null())
        .spawn();
    let child = start.map_err(|source| Error::Start { program: program.into(), source })?;
    let child = Pid::from_raw(child.id() as i32);
    loop {
        match waitpid(None, Some(WaitPidFlag::__WALL)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code as u8),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => return Ok(128 + signal as i32 as u8),
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(missing("processes", "waiting")(error)),
        }
    }
}

fn die_with_parent() -> Result<(), Error> {
    set_pdeathsig(Signal::SIGKILL).map_err(missing("processes", "dying with the parent"))
}

/// Tells whether every user of the namespace is the same user outside: then it is the system's own namespace.
fn is_identity(map: &str) -> bool {
    let numbers: Vec<u64> = map.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    numbers == [0, 0, u64::from(u32::MAX)]
}

/// Says which user and group of the namespace this process is.
fn map(inner_user: u32, user: u32, inner_group: u32, group: u32) -> Result<(), Error> {
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(missing("identity", "mapping users"))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{inner_user} {user} 1"))?;
    write("gid_map", format!("{inner_group} {group} 1"))
}

fn limit(limits: Limits) -> Result<(), Error> {
    for (resource, most) in [
        (Resource::RLIMIT_AS, limits.memory),
        (Resource::RLIMIT_NPROC, limits.processes),
        (Resource::RLIMIT_NOFILE, limits.open_files),
        (Resource::RLIMIT_FSIZE, limits.file),
        (Resource::RLIMIT_CPU, limits.cpu_seconds),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most).map_err(missing("limits", "a resource limit"))?;
    }
    Ok(())
}

/// Returns the exit code as a shell gives it: 128 plus the signal for a process that was killed.
fn code_of(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1) as u8
}
