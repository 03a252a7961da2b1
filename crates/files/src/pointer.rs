//! Pointer files: what Git LFS and git-annex leave in a checkout in place of a large file.
//!
//! A pointer is a text of about 130 bytes that names the real file by its hash and mostly states its length. Whoever
//! counts or parses the pointer itself judges the wrong bytes, so every reader of files asks here first.

use std::fmt;
use std::io::Read;

use camino::Utf8Path;

use crate::text::thousands;

/// The length of the longest pointer file: both programs keep theirs below this.
pub const MAX_BYTES: u64 = 1024;
/// The first line of a Git LFS pointer begins with one of these; the project's older names are included.
const LFS: [&str; 3] =
    ["version https://git-lfs.github.com/", "version https://hawser.github.com/", "version http://git-media.io/"];
/// The one line of a git-annex pointer begins with this.
const ANNEX: &str = "/annex/objects/";

/// The program that keeps the real file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    /// Git LFS.
    Lfs,
    /// A pointer of git-annex, in place of a file that is unlocked.
    Annex,
}

/// A file that only stands for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pointer {
    /// The program that can fetch the real file.
    pub keeper: Keeper,
    /// The length of the real file as the pointer declares it, where it does.
    pub bytes: Option<u64>,
}

impl Pointer {
    /// Reads `content` as a pointer; `None` where it is a file of its own.
    pub fn parse(content: &[u8]) -> Option<Pointer> {
        if content.len() as u64 > MAX_BYTES {
            return None;
        }
        let text = std::str::from_utf8(content).ok()?.trim_start_matches('\u{feff}').trim_start();
        if let Some(key) = text.strip_prefix(ANNEX) {
            return Some(Pointer { keeper: Keeper::Annex, bytes: annex_size(key) });
        }
        // "git-lfs" alone is taken as well, because a later version may live at another address.
        let first = text.lines().next()?.trim_end();
        let is_lfs = LFS.iter().any(|start| first.starts_with(start))
            || (first.starts_with("version ") && first.contains("git-lfs"));
        let size = || text.lines().find_map(|line| line.strip_prefix("size ")?.trim().parse().ok());
        is_lfs.then(|| Pointer { keeper: Keeper::Lfs, bytes: size() })
    }

    /// The pointer that lies at `path`; `None` where the file is none or cannot be read.
    pub fn at(path: &Utf8Path) -> Option<Pointer> {
        let metadata = std::fs::metadata(path).ok()?;
        if !metadata.is_file() || metadata.len() > MAX_BYTES {
            return None;
        }
        let mut content = Vec::new();
        std::fs::File::open(path).ok()?.take(MAX_BYTES + 1).read_to_end(&mut content).ok()?;
        Pointer::parse(&content)
    }

    /// The command that replaces the pointer by the file.
    pub fn remedy(self) -> &'static str {
        match self.keeper {
            Keeper::Lfs => "git lfs pull",
            Keeper::Annex => "git annex get",
        }
    }
}

/// The length that a git-annex key declares: 16400000 of `SHA256E-s16400000--ab…ab.ptz`.
fn annex_size(key: &str) -> Option<u64> {
    let fields = key.split("--").next()?;
    fields.split('-').skip(1).find_map(|field| field.strip_prefix('s')?.parse().ok())
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keeper = match self.keeper {
            Keeper::Lfs => "Git LFS",
            Keeper::Annex => "git-annex",
        };
        let length = self.bytes.map_or_else(String::new, |bytes| format!(" of {} bytes", thousands(bytes)));
        write!(
            f,
            "a {keeper} pointer in place of the file{length}; run `{}` in its repository, then repeat",
            self.remedy()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LFS_TEXT: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 16400000\n";

    #[test]
    fn pointers_are_known_with_the_length_that_they_declare() {
        let lfs = |bytes| Some(Pointer { keeper: Keeper::Lfs, bytes });
        assert_eq!(Pointer::parse(LFS_TEXT.as_bytes()), lfs(Some(16_400_000)));
        assert_eq!(Pointer::parse(LFS_TEXT.replace('\n', "\r\n").as_bytes()), lfs(Some(16_400_000)));
        assert_eq!(Pointer::parse(format!("\u{feff}{LFS_TEXT}").as_bytes()), lfs(Some(16_400_000)));
        assert_eq!(Pointer::parse(LFS_TEXT.replace("git-lfs", "hawser").as_bytes()), lfs(Some(16_400_000)));
        assert_eq!(Pointer::parse(b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n"), lfs(None));
        let annex = Pointer { keeper: Keeper::Annex, bytes: Some(5_000) };
        assert_eq!(Pointer::parse(b"/annex/objects/SHA256E-s5000--0a1b.ptz\n"), Some(annex));
        assert_eq!(
            lfs(Some(16_400_000)).map(|pointer| pointer.to_string()).as_deref(),
            Some(
                "a Git LFS pointer in place of the file of 16,400,000 bytes; run `git lfs pull` in its repository, then repeat"
            )
        );
    }

    #[test]
    fn a_file_that_only_speaks_of_pointers_is_none() {
        for text in
            ["", "version 1\nsize 5\n", "# version https://git-lfs.github.com/spec/v1\n", "see /annex/objects/x"]
        {
            assert_eq!(Pointer::parse(text.as_bytes()), None, "{text}");
        }
        let long = format!("{LFS_TEXT}{}", "x".repeat(1024));
        assert_eq!(Pointer::parse(long.as_bytes()), None, "longer than any pointer");
    }
}
