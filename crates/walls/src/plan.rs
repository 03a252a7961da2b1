//! The plan of a run: the program, the files that it may see, and the limits on what it takes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A program to be run behind walls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Program and arguments. The program's path is one of `readable` or lies in one.
    pub command: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Files and folders that it may read and execute, at the paths that they have. `/usr`, `/lib`, `/bin` and their like are
    /// readable without being named.
    pub readable: Vec<PathBuf>,
    /// Devices that it may open besides the harmless ones, such as those of a GPU.
    #[serde(default)]
    pub devices: Vec<PathBuf>,
    /// The one folder that it may write. It starts there; `/tmp` is a folder inside.
    pub writable: PathBuf,
    /// An empty folder on which the program's root is built.
    pub root: PathBuf,
    /// A Python that switches the loopback on before the program starts, for processes of one run that talk to one another.
    /// It is the user's own; nothing of the program's is run by it.
    pub loopback: Option<PathBuf>,
    pub limits: Limits,
}

/// Limits on the resources of a program.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Limits {
    /// Address space of one process, bytes. PyTorch reserves several times what it uses.
    pub memory: u64,
    /// Shared memory (`/dev/shm`), bytes.
    pub shared: u64,
    /// Processes and threads.
    pub processes: u64,
    pub open_files: u64,
    /// Size of one file, bytes.
    pub file: u64,
    /// Processor time of one process, seconds.
    pub cpu_seconds: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory: 24 << 30,
            shared: 1 << 30,
            processes: 1024,
            open_files: 4096,
            file: 4 << 30,
            cpu_seconds: 3600,
        }
    }
}
