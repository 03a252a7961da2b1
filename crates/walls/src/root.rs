//! Builds the file system that a program finds: readable paths, bound read-only where they are outside; one writable
//! folder; and nothing else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};

use crate::{Error, Plan};

/// Folders of the system that every program needs.
const SYSTEM: [&str; 11] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/alternatives",
    "/etc/localtime",
    "/etc/ssl/openssl.cnf",
];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const NOTHING: Option<&str> = None;

fn missing(what: &str) -> impl FnOnce(nix::Error) -> Error + use<> {
    let what = what.to_owned();
    move |error| Error::Missing { wall: "files", reason: format!("{what}: {error}") }
}

fn missing_io(what: &Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
    let what = what.display().to_string();
    move |error| Error::Missing { wall: "files", reason: format!("{what}: {error}") }
}

/// Builds the root and moves into it. The process is the first of its namespaces and has their capabilities.
pub fn build(plan: &Plan) -> Result<(), Error> {
    // Keeps every mount made here from showing outside.
    mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING).map_err(missing("mounts"))?;
    let root = plan.root.as_path();
    tmpfs(root, "size=16m,mode=755", MsFlags::MS_NOSUID | MsFlags::MS_NODEV)?;
    // This comes first because readable and writable paths may themselves lie in /tmp.
    let tmp = plan.writable.join("tmp");
    fs::create_dir_all(&tmp).map_err(missing_io(&tmp))?;
    // The program may run as another user than the one who makes the folder.
    fs::set_permissions(&tmp, Permissions::from_mode(0o1777)).map_err(missing_io(&tmp))?;
    bind(&tmp, &folder(root, Path::new("/tmp"))?)?;
    let system = SYSTEM.iter().map(PathBuf::from).filter(|path| path.symlink_metadata().is_ok());
    for path in system.chain(plan.readable.iter().cloned()) {
        readable(root, &path)?;
    }
    devices(root, plan)?;
    names(root)?;
    bind(&plan.writable, &folder(root, &plan.writable)?)?;
    let proc = folder(root, Path::new("/proc"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &proc, Some("proc"), flags, NOTHING).map_err(missing("/proc"))?;
    enter(root)
}

/// Writes the files by which users and machines are named: one user, and this machine by its loopback, which processes of
/// one run that talk to one another ask for.
fn names(root: &Path) -> Result<(), Error> {
    let own = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let hosts = format!("127.0.0.1 localhost {}\n::1 localhost\n", own.trim());
    for (file, text) in [
        ("/etc/passwd", "nobody:x:65534:65534:nobody:/tmp:/bin/sh\n"),
        ("/etc/hosts", hosts.as_str()),
        ("/etc/nsswitch.conf", "hosts: files\n"),
    ] {
        fs::write(inside(root, Path::new(file))?, text).map_err(missing_io(Path::new(file)))?;
    }
    Ok(())
}

/// Makes `root` this process's root, and leaves nothing of the old one.
fn enter(root: &Path) -> Result<(), Error> {
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(NOTHING, root, NOTHING, flags, NOTHING).map_err(missing("the root"))?;
    std::env::set_current_dir(root).map_err(missing_io(root))?;
    // The old and the new root are one folder here: the old one then lies over the new one and is taken away.
    nix::unistd::pivot_root(".", ".").map_err(missing("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(missing("the old root"))?;
    std::env::set_current_dir("/").map_err(missing_io(Path::new("/")))
}

fn tmpfs(at: &Path, options: &str, flags: MsFlags) -> Result<(), Error> {
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options)).map_err(missing("tmpfs"))
}

/// Makes `path` below `root`, with its folders, and returns it.
fn inside(root: &Path, path: &Path) -> Result<PathBuf, Error> {
    let target = root.join(path.strip_prefix("/").unwrap_or(path));
    let parent = target.parent().unwrap_or(root);
    fs::create_dir_all(parent).map_err(missing_io(parent))?;
    Ok(target)
}

fn folder(root: &Path, path: &Path) -> Result<PathBuf, Error> {
    let target = inside(root, path)?;
    fs::create_dir_all(&target).map_err(missing_io(&target))?;
    Ok(target)
}

/// Makes a link of the system (`/bin` to `usr/bin`) again; binds anything else read-only.
fn readable(root: &Path, path: &Path) -> Result<(), Error> {
    let target = inside(root, path)?;
    if target.symlink_metadata().is_ok() && !target.is_dir() {
        return Ok(());
    }
    let found = fs::symlink_metadata(path).map_err(missing_io(path))?;
    if found.is_symlink() {
        let link = fs::read_link(path).map_err(missing_io(path))?;
        return symlink(link, &target).map_err(missing_io(&target));
    }
    if found.is_dir() {
        fs::create_dir_all(&target).map_err(missing_io(&target))?;
    } else {
        fs::write(&target, "").map_err(missing_io(&target))?;
    }
    bind(path, &target)?;
    // A namespace of an ordinary user may add restrictions to a mount, but has to keep those that it has.
    let kept = statvfs(path).map_or(FsFlags::empty(), |found| found.flags());
    let pairs = [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    let kept = pairs.iter().filter(|(flag, _)| kept.contains(*flag)).map(|(_, flag)| *flag).collect::<MsFlags>();
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_RDONLY | kept;
    mount(NOTHING, &target, NOTHING, flags, NOTHING).map_err(missing(&format!("{} read-only", path.display())))
}

fn bind(from: &Path, to: &Path) -> Result<(), Error> {
    mount(Some(from), to, NOTHING, MsFlags::MS_BIND | MsFlags::MS_REC, NOTHING)
        .map_err(missing(&from.display().to_string()))
}

fn devices(root: &Path, plan: &Plan) -> Result<(), Error> {
    let dev = folder(root, Path::new("/dev"))?;
    let harmless = DEVICES.iter().map(|name| Path::new("/dev").join(name));
    for device in harmless.chain(plan.devices.iter().cloned()) {
        let target = inside(root, &device)?;
        fs::write(&target, "").map_err(missing_io(&target))?;
        bind(&device, &target)?;
    }
    for (name, link) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(link, dev.join(name)).map_err(missing_io(&dev.join(name)))?;
    }
    let shm = folder(root, Path::new("/dev/shm"))?;
    tmpfs(&shm, &format!("size={},mode=1777", plan.limits.shared), MsFlags::MS_NOSUID | MsFlags::MS_NODEV)
}
