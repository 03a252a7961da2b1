//! Files of the object store, asked for one after the other.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::Repository;
use caddie_files::{Error, Result};

impl Repository {
    /// Starts a reader of files by object id.
    ///
    /// # Errors
    /// When git cannot be started.
    pub fn objects(&self) -> Result<Objects> {
        Ok(Objects { sizes: self.batch("--batch-check")?, contents: self.batch("--batch")? })
    }

    fn batch(&self, kind: &str) -> Result<Batch> {
        let mut child = self
            .command(&["cat-file", kind])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Ok(Batch { child, stdin, stdout: BufReader::new(stdout), repository: self.clone() })
            }
            _ => Err(Error::Internal("a child process without its pipes".to_owned())),
        }
    }
}

/// Files of the object store, asked for one after the other.
#[derive(Debug)]
pub struct Objects {
    sizes: Batch,
    contents: Batch,
}

impl Objects {
    /// Bytes of a file.
    ///
    /// # Errors
    /// When it is not in the object store.
    pub fn size(&mut self, object: &str) -> Result<u64> {
        self.sizes.ask(object)
    }

    /// Copies a file to `out`.
    ///
    /// # Errors
    /// When it is not in the object store, or `out` cannot be written.
    pub fn copy(&mut self, object: &str, out: &mut impl Write) -> Result<()> {
        let size = self.contents.ask(object)?;
        let dir = self.contents.repository.dir.clone();
        let copied =
            std::io::copy(&mut self.contents.stdout.by_ref().take(size), out).map_err(Error::io(&dir, "copying"))?;
        let mut end = [0];
        self.contents.stdout.read_exact(&mut end).map_err(Error::io(&dir, "reading git"))?;
        if copied == size {
            Ok(())
        } else {
            Err(Error::unreadable(&dir, format!("git cat-file ended inside {object}")))
        }
    }
}

/// A running `git cat-file --batch…`.
#[derive(Debug)]
struct Batch {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    repository: Repository,
}

impl Batch {
    /// Asks for an object and reads the line `<id> blob <size>`.
    fn ask(&mut self, object: &str) -> Result<u64> {
        let mut line = Vec::new();
        writeln!(self.stdin, "{object}")
            .and_then(|()| self.stdin.flush())
            .and_then(|()| self.stdout.by_ref().take(256).read_until(b'\n', &mut line))
            .map_err(Error::io(&self.repository.dir, "asking git"))?;
        let line = String::from_utf8_lossy(&line);
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next().and_then(|size| size.parse().ok())) {
            (Some(_), Some("blob"), Some(size)) => Ok(size),
            _ => {
                let said = format!("git has no file {object}: {}", line.trim());
                Err(Error::unreadable(&self.repository.dir, self.repository.explained(&said)))
            }
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
