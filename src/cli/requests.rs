//! Pull requests by their number where a command takes folders: `1530`, `#1530` or the address.

use camino::{Utf8Path, Utf8PathBuf};

use crate::checks::diff::request::Request;
use crate::checks::diff::{self, Proposed};
use crate::checks::walk::FailedFolder;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

/// A pull request with copies of the folders that it adds.
pub struct Requested {
    pub number: u32,
    pub proposed: Proposed,
}

/// The paths of a command, told apart from the pull requests among them.
#[derive(Default)]
pub struct Asked {
    /// Files and folders, as they were given.
    pub paths: Vec<Utf8PathBuf>,
    pub requests: Vec<Requested>,
}

impl Asked {
    /// Finds the pull requests among `arguments` in the clone that holds `repository`, and says on standard error which
    /// commits they are.
    ///
    /// # Errors
    /// When a request is not in the clone, or its folders cannot be copied.
    pub fn of(arguments: &[Utf8PathBuf], repository: &Utf8Path, rulebook: &Rulebook) -> Result<Asked> {
        let mut asked = Asked::default();
        for argument in arguments {
            let Some(request) = Request::named(argument) else {
                asked.paths.push(argument.clone());
                continue;
            };
            let fetched = request.find(repository)?;
            let short = |id: &str| id.get(..10).unwrap_or(id).to_owned();
            let (head, base) = (short(&fetched.range.head), short(&fetched.merge_base));
            eprintln!("note: {request} is {head} of {}, compared with {base} where it branched off", fetched.found);
            let proposed = diff::propose(repository, &fetched.range, rulebook)?;
            asked.requests.push(Requested { number: request.number, proposed });
        }
        Ok(asked)
    }

    /// Returns the paths with the folders of each request after them, for commands that read folders one by one.
    ///
    /// # Errors
    /// When a request adds no folder.
    pub fn folders(&self) -> Result<Vec<Utf8PathBuf>> {
        let mut folders = self.paths.clone();
        for request in &self.requests {
            folders.extend(request.folders()?.iter().cloned());
        }
        Ok(folders)
    }

    /// Returns the name in the repository of what was copied out of a request, and any other path as it is.
    pub fn named(&self, path: &Utf8Path) -> Utf8PathBuf {
        self.requests.iter().fold(path.to_owned(), |path, request| request.proposed.named(&path))
    }

    /// Gives a failure the name in the repository of what it is about.
    pub fn rename(&self, failure: &mut FailedFolder) {
        self.requests.iter().for_each(|request| request.proposed.rename(failure));
    }

    /// Returns an error with the name in the repository of what it is about.
    pub fn renamed(&self, error: Error) -> Error {
        match error {
            Error::Unreadable { path, reason } => {
                let reason = self.requests.iter().fold(reason, |reason, request| request.proposed.renamed(&reason));
                Error::Unreadable { path: self.named(&path), reason }
            }
            other => other,
        }
    }
}

impl Requested {
    /// Returns the copies of the folders that the request adds.
    ///
    /// # Errors
    /// When there are none.
    pub fn folders(&self) -> Result<&[Utf8PathBuf]> {
        if self.proposed.folders.is_empty() {
            let reason = format!("pull request #{} adds no folder below records/<track>/", self.number);
            return Err(Error::Usage(format!("{reason}; caddie verify {} says what it changes", self.number)));
        }
        Ok(&self.proposed.folders)
    }
}
