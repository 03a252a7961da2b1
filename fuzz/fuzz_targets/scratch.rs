//! A folder that a target writes its input into, kept between inputs.

use std::cell::OnceCell;

use camino::{Utf8Path, Utf8PathBuf};

thread_local! {
    static FOLDER: OnceCell<(tempfile::TempDir, Utf8PathBuf)> = const { OnceCell::new() };
}

/// Calls `work` with the folder.
pub fn folder<T>(work: impl FnOnce(&Utf8Path) -> T) -> T {
    FOLDER.with(|cell| {
        let (_, path) = cell.get_or_init(|| {
            let dir = tempfile::tempdir().expect("a temporary directory");
            let path = Utf8PathBuf::from_path_buf(dir.path().to_owned()).expect("UTF-8");
            (dir, path)
        });
        work(path)
    })
}

/// Writes `bytes` as `name` of the folder.
pub fn write(folder: &Utf8Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("writes");
}
