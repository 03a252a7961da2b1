//! The embedded Python package, on disk.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use fs_err as fs;
use include_dir::{Dir, include_dir};

use super::interpreter::cache;
use caddie_files::{Error, Result};

static PACKAGE: Dir = include_dir!("$CARGO_MANIFEST_DIR/rehearsal");

/// The folder that holds the package, for `PYTHONPATH`. It is named by the package's hash, and appears whole.
pub fn unpacked() -> Result<Utf8PathBuf> {
    let mut files = BTreeMap::new();
    collect(&PACKAGE, &mut files);
    let joined: Vec<u8> = files.iter().flat_map(|(path, content)| [path.as_bytes(), b"\0", content].concat()).collect();
    let hash = caddie_format::sha256(&joined);
    let parent = cache()?.join("rehearsal");
    let place = parent.join(hash.get(..16).unwrap_or(&hash));
    if place.is_dir() {
        return Ok(place);
    }
    fs::create_dir_all(&parent).map_err(Error::io(&parent, "creating"))?;
    let partial = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(&parent);
    let partial = partial.map_err(Error::io(&parent, "creating"))?;
    for (path, content) in &files {
        let file = partial.path().join("rehearsal").join(path);
        let folder = file.parent().unwrap_or(partial.path());
        std::fs::create_dir_all(folder).map_err(Error::io(&place, "creating"))?;
        std::fs::write(&file, content).map_err(Error::io(&place, "writing"))?;
    }
    readable_by_all(partial.path()).map_err(Error::io(&place, "opening to all"))?;
    match std::fs::rename(partial.keep(), &place) {
        // Another caddie was faster; its files are the same.
        Err(_) if place.is_dir() => Ok(place),
        done => done.map(|()| place.clone()).map_err(Error::io(&place, "renaming into place")),
    }
}

/// A script behind walls is another user.
fn readable_by_all(folder: &std::path::Path) -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755))?;
    }
    let _ = folder;
    Ok(())
}

/// The package's modules; not its tests.
fn collect(dir: &Dir<'static>, files: &mut BTreeMap<String, &'static [u8]>) {
    for file in dir.files() {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if path.ends_with(".py") {
            files.insert(path, file.contents());
        }
    }
    let inner = dir.dirs().filter(|dir| !dir.path().ends_with("tests") && !dir.path().ends_with("__pycache__"));
    inner.for_each(|dir| collect(dir, files));
}
