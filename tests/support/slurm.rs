//! A Slurm of one node, for the length of a test.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 4] = ["munged", "slurmctld", "slurmd", "sbatch"];

/// Its daemons, which end with it.
pub struct Cluster {
    daemons: Vec<Child>,
    folder: PathBuf,
}

impl Cluster {
    /// Starts one whose files lie in `parent`; `None`, and the reason on standard output, where Slurm is not installed or this
    /// user cannot start it.
    pub fn start(parent: &Path) -> Option<Cluster> {
        if let Some(lacking) = PROGRAMS.iter().find(|name| program(name).is_none()) {
            println!("skipped: {lacking} is not installed (apt-get install slurmctld slurmd slurm-client munge)");
            return None;
        }
        if said("id", &["-u"]) != "0" {
            println!("skipped: slurmd starts jobs as their users, which only root may do");
            return None;
        }
        let folder = parent.join("slurm");
        for name in ["munge", "state", "spool"] {
            std::fs::create_dir_all(folder.join(name)).expect("creates");
        }
        // munged demands that its socket can be reached, and that nobody else reads its key.
        for path in [parent, &folder, &folder.join("munge")] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("sets");
        }
        let key = folder.join("munge/key");
        let random: Vec<u8> = (0..1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        std::fs::write(&key, random).expect("writes");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o400)).expect("sets");
        std::fs::write(folder.join("slurm.conf"), configuration(&folder)).expect("writes");
        let mut cluster = Cluster { daemons: Vec::new(), folder };
        cluster.daemons();
        let until = Instant::now() + Duration::from_secs(30);
        while !cluster
            .command("sinfo")
            .args(["-h", "-o", "%T"])
            .stdout(Stdio::piped())
            .output()
            .is_ok_and(|out| out.stdout.starts_with(b"idle"))
        {
            if Instant::now() > until {
                println!("skipped: Slurm does not come up here:\n{}", cluster.log());
                return None;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Some(cluster)
    }

    fn daemons(&mut self) {
        let file = |name: &str| self.folder.join("munge").join(name).display().to_string();
        let munge = ["key", "socket", "pid", "log", "seed"].map(|name| {
            let option = if name == "socket" { "socket".to_owned() } else { format!("{name}-file") };
            format!("--{option}={}", file(name))
        });
        let munged = self.command("munged").args(["--foreground", "--force"]).args(munge).spawn();
        self.daemons.push(munged.expect("starts"));
        let socket = self.folder.join("munge/socket");
        let until = Instant::now() + Duration::from_secs(5);
        while !socket.exists() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        for (name, arguments) in [("slurmctld", ["-D", "-c"]), ("slurmd", ["-D", "-c"])] {
            let daemon = self.command(name).args(arguments).spawn();
            self.daemons.push(daemon.expect("starts"));
        }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name).unwrap_or_else(|| name.into()));
        command.env("SLURM_CONF", self.folder.join("slurm.conf")).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Runs a job to its end and returns true where all of its tasks ended well. `sbatch --wait` would do the same, but looks
    /// after 2, 4, 6, 8 and then every 10 seconds.
    pub fn sbatch(&self, arguments: &[&str]) -> bool {
        let output = self.command("sbatch").arg("--parsable").args(arguments).stdout(Stdio::piped()).output();
        let output = output.expect("runs");
        assert!(output.status.success(), "{}", self.log());
        let job = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let shown = self.command("scontrol").args(["-o", "show", "job", &job]).stdout(Stdio::piped()).output();
            let tasks = String::from_utf8_lossy(&shown.expect("runs").stdout).into_owned();
            let states: Vec<&str> =
                tasks.lines().filter_map(|task| task.split("JobState=").nth(1)?.split(' ').next()).collect();
            if !states.is_empty() && !states.iter().any(|state| ["PENDING", "RUNNING", "COMPLETING"].contains(state)) {
                return states.iter().all(|state| *state == "COMPLETED");
            }
            assert!(Instant::now() < until, "{tasks}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The last lines that the daemons wrote.
    pub fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let last = |name: &str| read(name).lines().rev().take(8).map(str::to_owned).collect::<Vec<_>>().join("\n");
        ["ctld.log", "d.log", "munge/log"].map(last).join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// One node with two processors, on ports that are free now.
fn configuration(folder: &Path) -> String {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
    let [ctld, d] = listeners.map(|listener| listener.local_addr().expect("an address").port());
    let (host, user, at) = (said("hostname", &["-s"]), said("id", &["-un"]), folder.display());
    format!(
        "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={ctld}\nSlurmdPort={d}\n\
         AuthType=auth/munge\nAuthInfo=socket={at}/munge/socket\nCryptoType=crypto/munge\n\
         SlurmUser={user}\nSlurmdUser={user}\nStateSaveLocation={at}/state\nSlurmdSpoolDir={at}/spool\n\
         SlurmctldPidFile={at}/ctld.pid\nSlurmdPidFile={at}/d.pid\nSlurmctldLogFile={at}/ctld.log\nSlurmdLogFile={at}/d.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\n\
         JobAcctGatherType=jobacct_gather/none\nSelectType=select/linear\nReturnToService=2\n\
         SchedulerType=sched/builtin\nSchedulerParameters=sched_interval=1,sched_min_interval=0\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
         PartitionName=test Nodes=ALL Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:4\n"
    )
}

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
