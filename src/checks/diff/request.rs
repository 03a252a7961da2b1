//! A pull request by its number, in a clone that has fetched it.
//!
//! Its head is `refs/pull/N/head` of a mirror, a remote-tracking branch of one, or what `git fetch origin pull/N/head`
//! left in FETCH_HEAD. Nothing is fetched here: caddie opens no connection, and the message gives the command.

use camino::Utf8Path;

use super::Range;
use crate::checks::git::Repository;
use caddie_files::{Error, Result};

/// The repository of the challenge, where a number without an address belongs.
const CHALLENGE: &str = "openai/parameter-golf";
/// Host of pull requests, as it stands in their addresses.
const HOST: &str = "github.com";

/// A pull request as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub number: u32,
    /// `owner/name` of its repository, where the user gave the address.
    pub repository: Option<String>,
}

/// A pull request found in a clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The commits by their ids.
    pub range: Range,
    /// The commit from which the request branched off.
    pub merge_base: String,
    /// The name in the clone under which the head was found.
    pub found: String,
}

/// A remote of a clone.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Remote {
    name: String,
    url: String,
}

impl Request {
    /// Reads `#1530`, `1530`, or an address such as `https://github.com/openai/parameter-golf/pull/1530/files`. `None`
    /// where the text names no request, or a file or folder of this name exists.
    pub fn named(text: &Utf8Path) -> Option<Request> {
        if text.exists() {
            return None;
        }
        let text = text.as_str();
        let number = |digits: &str| digits.parse().ok().filter(|number| *number > 0);
        let digits = text.strip_prefix('#').unwrap_or(text);
        if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Some(Request { number: number(digits)?, repository: None });
        }
        let address = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let rest = address.strip_prefix("www.").unwrap_or(address).strip_prefix(HOST)?;
        let parts: Vec<&str> = rest.split(['/', '?', '#']).collect();
        let ["", owner, name, "pull" | "pulls", digits, ..] = parts.as_slice() else { return None };
        Some(Request { number: number(digits)?, repository: Some(format!("{owner}/{name}")) })
    }

    /// Finds the request's commits in the clone that holds `dir`.
    ///
    /// # Errors
    /// When `dir` is in no clone, the request was not fetched, or no base can be told; the message gives the command.
    pub fn find(&self, dir: &Utf8Path) -> Result<Fetched> {
        let git = Repository::at(dir);
        let remotes = parse_remotes(&git.settings(r"^remote\..*\.url$").map_err(|error| self.no_clone(dir, &error))?);
        let remote = self.remote(&remotes);
        let (found, head) = self.head(&git, remote)?.ok_or_else(|| self.not_fetched(dir, &remotes))?;
        let base = base_of(&git, remote, dir)?;
        let base = git.before_merge(&base, &head)?.unwrap_or(base);
        let merge_base = git.merge_base(&base, &head)?;
        if merge_base == head {
            let reason = format!(
                "{self} is part of the main branch already, and no merge commit tells what it added; give its commits \
                 with --diff BASE..HEAD, or the folder"
            );
            return Err(Error::unreadable(dir, reason));
        }
        Ok(Fetched { range: Range { base, head }, merge_base, found })
    }

    /// Returns where the head was found, and the head's id.
    fn head(&self, git: &Repository, remote: Option<&Remote>) -> Result<Option<(String, String)>> {
        let fetched = std::fs::read(git.path("FETCH_HEAD")?).unwrap_or_default();
        if let Some(id) = self.in_fetch_head(&String::from_utf8_lossy(&fetched)) {
            return Ok(Some(("FETCH_HEAD".to_owned(), git.commit(id)?)));
        }
        let number = self.number;
        let mut names = vec![format!("refs/pull/{number}/head")];
        if let Some(Remote { name, .. }) = remote {
            let below = ["pr/{}", "pull/{}", "pull/{}/head"];
            names.extend(below.map(|form| format!("refs/remotes/{name}/{}", form.replace("{}", &number.to_string()))));
        }
        Ok(names.into_iter().find_map(|name| git.commit(&name).ok().map(|id| (name, id))))
    }

    /// Finds the request in the lines of FETCH_HEAD: `<id> TAB not-for-merge TAB 'refs/pull/N/head' of <url>`.
    fn in_fetch_head<'a>(&self, text: &'a str) -> Option<&'a str> {
        let name = format!("'refs/pull/{}/head' of ", self.number);
        text.lines().find_map(|line| {
            let url = line.split_once(&name)?.1;
            let id = line.split('\t').next()?;
            self.is_of(url).then_some(id)
        })
    }

    /// Tells whether an address may be that of the request's repository. A fork of the challenge on the same host has
    /// numbers of its own; a mirror elsewhere has the challenge's, and another challenge has its own repository.
    fn is_of(&self, url: &str) -> bool {
        let repository = self.repository.as_deref().unwrap_or(CHALLENGE);
        !url.contains(HOST) || holds(url, repository) || (self.repository.is_none() && !url.contains("parameter-golf"))
    }

    /// Chooses the remote that has the request: the request's own repository, or the challenge's, or a usual name.
    fn remote<'a>(&self, remotes: &'a [Remote]) -> Option<&'a Remote> {
        let repository = self.repository.as_deref().unwrap_or(CHALLENGE);
        let of = remotes.iter().find(|remote| holds(&remote.url, repository));
        let called = |name: &str| remotes.iter().find(|remote| remote.name == name);
        of.or_else(|| called("upstream")).or_else(|| called("origin")).or(remotes.first())
    }

    fn no_clone(&self, dir: &Utf8Path, error: &Error) -> Error {
        let repository = self.repository.as_deref().unwrap_or(CHALLENGE);
        match error {
            Error::Unreadable { reason, .. } if reason.contains("not a git repository") => {
                let reason = format!(
                    "not in a clone of the challenge, where {self} would be looked for: git clone https://{HOST}/{repository}, \
                     and in it git fetch origin pull/{}/head",
                    self.number
                );
                Error::unreadable(dir, reason)
            }
            _ => Error::unreadable(dir, error.to_string()),
        }
    }

    fn not_fetched(&self, dir: &Utf8Path, remotes: &[Remote]) -> Error {
        let repository = self.repository.as_deref().unwrap_or(CHALLENGE);
        let source = match self.remote(remotes) {
            Some(remote) if self.is_of(&remote.url) => remote.name.clone(),
            _ => format!("https://{HOST}/{repository}"),
        };
        Error::unreadable(dir, format!("{self} is not in this clone; git fetch {source} pull/{}/head", self.number))
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pull request #{}", self.number)
    }
}

/// Tells whether an address ends in `owner/name`, with or without `.git`.
fn holds(url: &str, repository: &str) -> bool {
    let url = url.trim_end_matches('/').trim_end_matches(".git");
    url.strip_suffix(repository).is_some_and(|before| before.ends_with(['/', ':']))
}

/// Parses `remote.NAME.url URL` lines.
fn parse_remotes(settings: &str) -> Vec<Remote> {
    let line = |line: &str| {
        let (key, url) = line.split_once(' ')?;
        let name = key.strip_prefix("remote.")?.strip_suffix(".url")?;
        Some(Remote { name: name.to_owned(), url: url.to_owned() })
    };
    settings.lines().filter_map(line).collect()
}

/// Returns the id of the main branch that requests are proposed to: that of the remote, else the clone's own.
fn base_of(git: &Repository, remote: Option<&Remote>, dir: &Utf8Path) -> Result<String> {
    let mut names = Vec::new();
    if let Some(Remote { name, .. }) = remote {
        names.extend(["main", "master", "HEAD"].map(|branch| format!("refs/remotes/{name}/{branch}")));
    }
    names.extend(["refs/heads/main", "refs/heads/master"].map(str::to_owned));
    names.iter().find_map(|name| git.commit(name).ok()).ok_or_else(|| {
        let reason = "no main branch here to compare the pull request with; fetch it, or give --diff BASE..HEAD";
        Error::unreadable(dir, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_number_or_an_address() {
        let named = |text: &str| Request::named(text.into()).map(|request| (request.number, request.repository));
        for text in ["1530", "#1530"] {
            assert_eq!(named(text), Some((1530, None)), "{text}");
        }
        for end in ["", "/", "/files", "?w=1", "/commits/abc", "#issuecomment-1"] {
            let address = format!("https://github.com/openai/parameter-golf/pull/1530{end}");
            assert_eq!(named(&address), Some((1530, Some(CHALLENGE.to_owned()))), "{address}");
        }
        for text in ["", "#", "0", "99999999999", "records", "15 30", "https://github.com/a/b/issues/3", "src", "+3"] {
            assert_eq!(named(text), None, "{text}");
        }
    }

    #[test]
    fn what_was_fetched_of_another_repository_is_another_request() {
        let request = Request { number: 7, repository: None };
        let line = |url: &str| format!("abc\tnot-for-merge\t'refs/pull/7/head' of {url}\n");
        for url in ["https://github.com/openai/parameter-golf", "github.com:openai/parameter-golf", "/srv/mirror"] {
            assert_eq!(request.in_fetch_head(&line(url)), Some("abc"), "{url}");
        }
        assert_eq!(request.in_fetch_head(&line("https://github.com/ada/parameter-golf")), None);
        assert_eq!(request.in_fetch_head("abc\t\t'refs/pull/77/head' of /srv/mirror"), None);
        assert_eq!(request.in_fetch_head("abc\t\tbranch 'main' of /srv/mirror"), None);
    }

    #[test]
    fn the_remote_is_that_of_the_challenge() {
        let settings = "remote.origin.url git@github.com:ada/parameter-golf.git\n\
                        remote.oai.url https://github.com/openai/parameter-golf\n";
        let remotes = parse_remotes(settings);
        let request = |repository: Option<&str>| Request { number: 1, repository: repository.map(str::to_owned) };
        let chosen = |request: Request| request.remote(&remotes).map(|remote| remote.name.clone());
        assert_eq!(chosen(request(None)).as_deref(), Some("oai"));
        assert_eq!(chosen(request(Some("ada/parameter-golf"))).as_deref(), Some("origin"));
        let said = request(None).not_fetched(".".into(), &remotes[..1]).to_string();
        assert!(said.ends_with("git fetch https://github.com/openai/parameter-golf pull/1/head"), "{said}");
    }
}
