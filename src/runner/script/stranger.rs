//! A stranger's script: behind walls, with an environment of its own, or at least without the user's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::family::MARK;
use super::process::Ended;
use caddie_files::{Error, Result};
use caddie_walls::{Limits, NO_WALL, Plan, REFUSED};

/// Variables of the user's environment that a run of somebody else's script obeys as well: they name devices and libraries.
pub const KEPT: [&str; 5] =
    ["CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "NCCL_P2P_DISABLE", "NCCL_IB_DISABLE", "OMP_NUM_THREADS"];

/// The surroundings of a stranger's script.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// Absolute path of the Python that runs it.
    pub python: Utf8PathBuf,
    /// Folders that it may read: Python's, and the data.
    pub readable: Vec<Utf8PathBuf>,
    /// True if it runs behind walls.
    pub walls: bool,
    /// Seconds that it may run.
    pub limit_seconds: f64,
}

/// A plan of walls, on disk.
#[derive(Debug)]
pub struct Walled {
    pub plan: Plan,
    /// The file that the plan is written to.
    pub file: Utf8PathBuf,
}

impl Stranger {
    /// Returns the environment in which the script begins, for a run in `files`: nothing of the user's but what names
    /// devices and libraries.
    pub fn environment(&self, files: &Utf8Path) -> Vec<(String, String)> {
        let bin = self.python.parent().map_or("", Utf8Path::as_str);
        let tmp = if self.walls { "/tmp".to_owned() } else { files.join("tmp").into_string() };
        let own = [
            ("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin")),
            ("HOME", files.to_string()),
            ("TMPDIR", tmp),
            ("LANG", "C.UTF-8".to_owned()),
            ("PYTHONDONTWRITEBYTECODE", "1".to_owned()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let kept = KEPT.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        own.into_iter().chain(kept).collect()
    }

    /// Prepares a run of `command` in the folder `files`; `None` without walls.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn prepare(
        &self,
        command: &[String],
        env: &[(String, String)],
        files: &Utf8Path,
        mark: &str,
    ) -> Result<Option<Walled>> {
        let tmp = files.join("tmp");
        fs::create_dir_all(&tmp).map_err(Error::io(&tmp, "creating"))?;
        if !self.walls {
            return Ok(None);
        }
        open_to_all(files)?;
        let place = files.parent().unwrap_or(files);
        let root = place.join(".root");
        fs::create_dir_all(&root).map_err(Error::io(&root, "creating"))?;
        let mut env: BTreeMap<String, String> = env.iter().cloned().collect();
        env.insert(MARK.to_owned(), mark.to_owned());
        let devices = gpu_devices();
        let mut readable: Vec<PathBuf> = self.readable.iter().map(|path| path.clone().into_std_path_buf()).collect();
        // NCCL and the driver ask the system which devices are near each other.
        readable.extend(Some(PathBuf::from("/sys")).filter(|sys| !devices.is_empty() && sys.exists()));
        let plan = Plan {
            command: command.to_vec(),
            env,
            readable,
            limits: self.limits(!devices.is_empty()),
            devices,
            writable: files.as_std_path().to_owned(),
            root: root.into_std_path_buf(),
            loopback: Some(self.python.as_std_path().to_owned()),
        };
        Ok(Some(Walled { plan, file: place.join(".plan.json") }))
    }

    /// The bounds of a run at full size. CUDA reserves address space for all memory of the machine, so that no bound on
    /// it can hold where there are GPUs.
    fn limits(&self, gpus: bool) -> Limits {
        let usual = Limits::default();
        Limits {
            memory: if gpus { u64::MAX } else { usual.memory },
            shared: 16 << 30,
            processes: 16_384,
            file: 32 << 30,
            cpu_seconds: (self.limit_seconds as u64).saturating_mul(256).saturating_add(60),
            ..usual
        }
    }
}

impl Walled {
    /// Takes away what only the walls needed, and refuses where one could not be put up.
    ///
    /// # Errors
    /// With the wall that is missing.
    pub fn clear(&self, ended: &Ended) -> Result<()> {
        let tmp = self.plan.writable.join("tmp");
        // Caches of compilers are no result of the run; what stays is only in the way.
        let _ = std::fs::remove_dir_all(tmp);
        let _ = std::fs::remove_dir(&self.plan.root);
        let _ = std::fs::remove_file(self.file.as_std_path());
        let refused = ended.tail.iter().rev().find_map(|line| line.strip_prefix(REFUSED));
        match refused.filter(|_| ended.status.code() == Some(i32::from(NO_WALL))) {
            Some(reason) => Err(Error::Usage(format!(
                "the script was not run, for {reason}. Run caddie where namespaces and Landlock are allowed, or with \
                 --no-sandbox if you trust the script"
            ))),
            None => Ok(()),
        }
    }
}

/// A script behind walls may be another user than the one who calls caddie.
fn open_to_all(path: &Utf8Path) -> Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).map_err(Error::io(path, "opening to all"))?;
    }
    let _ = path;
    Ok(())
}

/// The devices of NVIDIA's driver: `/dev/nvidia0`, `/dev/nvidiactl`, `/dev/nvidia-uvm`.
fn gpu_devices() -> Vec<PathBuf> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let is_one = |entry: &std::fs::DirEntry| {
        let named = entry.file_name().to_string_lossy().starts_with("nvidia");
        named && entry.file_type().is_ok_and(|kind| !kind.is_dir() && !kind.is_symlink())
    };
    entries.filter(is_one).map(|entry| entry.path()).collect()
}
