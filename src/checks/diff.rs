//! Checks of the changes that a pull request makes: exactly one new folder below `records/<track>/`, and nothing else.
//!
//! The added folders are then verified as they are in the head commit, whatever is checked out.

mod copying;
mod proposed;
mod range;
pub mod request;

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};

use self::copying::Copying;
pub use self::proposed::Proposed;
pub use self::range::Range;
use super::git::{Change, Repository, Status};
use super::walk::Walked;
use super::{Check, Context, Needs, VerifyOptions};
use crate::report::{Finding, Severity};
use caddie_files::Result;
use caddie_rulebook::Rulebook;
use caddie_rulebook::finding_on;

/// Metadata of the check. It decides over a range of commits, which no single folder shows: [`verify`] runs it.
pub const CHECK: Check = Check {
    name: "pull-request",
    about: "A pull request adds one folder and changes nothing else (verify --diff BASE..HEAD).",
    rules: &[RULE],
    needs: Needs::Nothing,
    run: |_: &Context<'_>| Vec::new(),
};

const RULE: &str = "pr-one-new-folder";
/// Most paths that are reported one by one.
const MAX_FINDINGS: usize = 50;

/// A folder that the range adds, with its files as git names them.
#[derive(Debug, Default)]
struct Proposal {
    added: BTreeMap<Utf8PathBuf, Vec<Change>>,
    findings: Vec<Finding>,
}

/// Verifies the folders that a range adds. A report on `.` comes first where the range does anything else.
///
/// # Errors
/// When the commits are not there, or git cannot be run.
pub fn verify(
    repository: &Utf8Path,
    range: &Range,
    rulebook: &Rulebook,
    options: &VerifyOptions,
    done: impl Fn() + Sync,
) -> Result<Walked> {
    Ok(propose(repository, range, rulebook)?.verify(Utf8Path::new("."), rulebook, options, done))
}

/// Judges the changes of a range, and copies the folders that it adds to a place of their own.
///
/// # Errors
/// When the commits are not there, git cannot be run, or the copies cannot be written.
pub fn propose(repository: &Utf8Path, range: &Range, rulebook: &Rulebook) -> Result<Proposed> {
    let git = Repository::at(repository);
    let (base, head) = (git.commit(&range.base)?, git.commit(&range.head)?);
    let base = git.merge_base(&base, &head)?;
    let before = git.folders(&base, "records")?;
    let mut proposal = judge(git.changes(&base, &head)?, &before, rulebook);
    let mut proposed = Proposed::new()?;
    let mut copy = Copying::new(&proposed.root, git.objects()?, rulebook);
    for (folder, files) in &proposal.added {
        copy.folder(folder, files)?;
    }
    proposal.findings.append(&mut copy.findings());
    proposed.folders = proposal.added.keys().map(|folder| proposed.root.join(folder)).collect();
    proposed.findings = proposal.findings;
    Ok(proposed)
}

/// Sorts the changes into the folders that are added and the findings about everything else.
fn judge(changes: Vec<Change>, before: &BTreeSet<Utf8PathBuf>, rulebook: &Rulebook) -> Proposal {
    let mut proposal = Proposal::default();
    let mut strays: Vec<(Utf8PathBuf, &'static str, String)> = Vec::new();
    let finding = |message: String| finding_on(rulebook, RULE, message);
    let submits = changes.iter().any(|change| {
        change.path.starts_with("records")
            || change.from.as_ref().is_some_and(|from| from.starts_with("records"))
            || (change.status == Status::Added && change.path.file_name() == Some("submission.json"))
    });
    if !submits {
        let paths = if changes.len() == 1 { "1 path changes" } else { &format!("{} paths change", changes.len()) };
        let message = format!("{paths}, none below records/; no folder was verified");
        proposal.findings.push(finding(message).severity(Severity::Unknown));
        return proposal;
    }
    for change in changes {
        let status = change.status;
        if let Some(from) = &change.from {
            strays.push((from.clone(), "renamed", format!("into {}", change.path)));
        }
        let folder = record_folder(&change.path);
        match (status, folder) {
            (Status::Added | Status::Renamed, Some(folder)) if !before.contains(&folder) => {
                proposal.added.entry(folder).or_default().push(change);
            }
            (Status::Added | Status::Renamed, Some(_)) => {
                strays.push((change.path, "added", "to another folder, which is there already".to_owned()));
            }
            (Status::Renamed, None) => {}
            (_, Some(folder)) if before.contains(&folder) => {
                strays.push((change.path, status.name(), "in another folder, which is there already".to_owned()));
            }
            _ => strays.push((change.path, status.name(), "outside of a new folder".to_owned())),
        }
    }
    how_many(&mut proposal, &finding);
    tracks(&mut proposal, before, rulebook, &finding);
    let more = strays.len().saturating_sub(MAX_FINDINGS);
    for (path, status, what) in strays.into_iter().take(MAX_FINDINGS) {
        let message = format!("{status} {what}: {path}");
        proposal.findings.push(finding(message).measured(status).at(path, None, status));
    }
    if more > 0 {
        proposal.findings.push(finding(format!("{more} more paths are changed outside of the new folder")));
    }
    proposal
}

fn how_many(proposal: &mut Proposal, finding: &impl Fn(String) -> Finding) {
    let names: Vec<&str> = proposal.added.keys().map(|folder| folder.as_str()).collect();
    match names.as_slice() {
        [] => {
            proposal.findings.push(finding("no folder below records/<track>/ is added; none was verified".to_owned()))
        }
        [_] => {}
        many => {
            let distinct: BTreeSet<_> = proposal.added.keys().filter_map(|folder| folder.file_name()).collect();
            let twice = if distinct.len() < many.len() { ", one of them in two tracks" } else { "" };
            let message =
                format!("{} folders are added{twice}; a pull request adds one: {}", many.len(), many.join(", "));
            let found = finding(message).measured(many.len()).limit(1);
            proposal.findings.push(many.iter().fold(found, |found, folder| found.at(*folder, None, "added")));
        }
    }
}

/// Reports folders that are added to a track which neither the rulebook nor the base has.
fn tracks(
    proposal: &mut Proposal,
    before: &BTreeSet<Utf8PathBuf>,
    rulebook: &Rulebook,
    finding: &impl Fn(String) -> Finding,
) {
    let tracks: Vec<String> = rulebook.tracks.iter().map(|track| rulebook.track_folder(track)).collect();
    let listed: Vec<String> = tracks.iter().map(|track| format!("records/{track}")).collect();
    let Some((last, others)) = listed.split_last() else { return };
    let listed = if others.is_empty() {
        format!("track is {last}")
    } else {
        format!("tracks are {} and {last}", others.join(", "))
    };
    for folder in proposal.added.keys() {
        let Some(track) = folder.parent() else { continue };
        let known =
            track.file_name().is_some_and(|name| tracks.iter().any(|track| track == name)) || before.contains(track);
        if !known {
            let message = format!("{folder} is in no track; the {listed}");
            proposal.findings.push(finding(message).at(folder.clone(), None, "added"));
        }
    }
}

/// Returns the `records/<track>/<name>` that a file lies below.
fn record_folder(path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut parts = path.as_str().split('/');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some("records"), Some(track), Some(name), Some(_)) => {
            Some(Utf8PathBuf::from(format!("records/{track}/{name}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(status: Status, path: &str) -> Change {
        let (mode, object) = ("100644".to_owned(), "0".repeat(40));
        Change { status, path: path.into(), utf8: true, from: None, mode, object }
    }

    fn judged(changes: Vec<Change>) -> (Vec<String>, Vec<(Severity, String)>) {
        let before = ["records", "records/track_10min_16mb", "records/track_10min_16mb/2026-01-01_Old"];
        let before = before.into_iter().map(Utf8PathBuf::from).collect();
        let rulebook = Rulebook::builtin().expect("loads");
        let proposal = judge(changes, &before, &rulebook);
        let findings = proposal.findings.into_iter().map(|finding| (finding.severity, finding.message)).collect();
        (proposal.added.keys().map(ToString::to_string).collect(), findings)
    }

    const NEW: &str = "records/track_10min_16mb/2026-01-02_New";

    #[test]
    fn one_new_folder_is_what_a_pull_request_adds() {
        let added = |name: &str| change(Status::Added, &format!("{NEW}/{name}"));
        assert_eq!(judged(vec![added("train.log"), added("logs/a b/x.txt")]), (vec![NEW.to_owned()], vec![]));
    }

    #[test]
    fn everything_else_is_named_with_what_happened_to_it() {
        let mut renamed = change(Status::Renamed, &format!("{NEW}/train.log"));
        renamed.from = Some("records/track_10min_16mb/2026-01-01_Old/train.log".into());
        let (added, findings) = judged(vec![
            renamed,
            change(Status::Deleted, "records/track_10min_16mb/2026-01-01_Old/README.md"),
            change(Status::Added, "records/track_10min_16mb/2026-01-01_Old/new.txt"),
            change(Status::Modified, "README.md"),
            change(Status::Added, "records/track_10min_16mb/loose.txt"),
            change(Status::TypeChanged, "data/x"),
        ]);
        assert_eq!(added, [NEW]);
        let expected = [
            format!("renamed into {NEW}/train.log: records/track_10min_16mb/2026-01-01_Old/train.log"),
            "deleted in another folder, which is there already: records/track_10min_16mb/2026-01-01_Old/README.md"
                .into(),
            "added to another folder, which is there already: records/track_10min_16mb/2026-01-01_Old/new.txt".into(),
            "modified outside of a new folder: README.md".into(),
            "added outside of a new folder: records/track_10min_16mb/loose.txt".into(),
            "changed in kind outside of a new folder: data/x".into(),
        ];
        assert_eq!(findings.len(), expected.len(), "{findings:#?}");
        for ((severity, message), expected) in findings.iter().zip(expected) {
            assert!(*severity == Severity::Error && *message == expected, "{message}");
        }
    }

    #[test]
    fn several_folders_and_a_track_that_is_none_are_errors() {
        let other = "records/track_non_record_16mb/2026-01-02_New";
        let (added, findings) =
            judged(vec![change(Status::Added, &format!("{NEW}/a")), change(Status::Added, &format!("{other}/a"))]);
        assert_eq!(added, [NEW, other]);
        assert!(findings[0].1.starts_with("2 folders are added, one of them in two tracks"), "{findings:?}");
        let (added, findings) = judged(vec![change(Status::Added, "records/track_10min_16m/2026-01-02_New/a")]);
        assert_eq!(added.len(), 1, "verified all the same");
        assert!(findings[0].1.contains("is in no track"), "{findings:?}");
        let (added, findings) = judged(vec![change(Status::Added, "record/track_10min_16mb/New/submission.json")]);
        assert!(added.is_empty() && findings[0].0 == Severity::Error, "{findings:?}");
    }

    #[test]
    fn the_tracks_are_those_of_the_rulebook() {
        let other = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/other-challenge/pocket-2027.toml");
        let other = Rulebook::read(other.into()).expect("a rulebook");
        let of = |league: &str| -> Vec<String> {
            let added = change(Status::Added, &format!("records/{league}/2027-05-01_New/submission.json"));
            judge(vec![added], &BTreeSet::new(), &other).findings.into_iter().map(|finding| finding.message).collect()
        };
        assert_eq!(of("league_purse"), Vec::<String>::new());
        let [message] = <[String; 1]>::try_from(of("track_10min_16mb")).expect("one finding");
        let tracks = "the tracks are records/league_pocket, records/league_purse and records/league_anything";
        assert!(message.ends_with(tracks), "{message}");
    }

    #[test]
    fn a_change_of_something_else_is_no_submission() {
        let (added, findings) = judged(vec![change(Status::Modified, "README.md")]);
        assert!(added.is_empty());
        assert_eq!(findings[0].0, Severity::Unknown);
        assert_eq!(findings.len(), 1);
    }
}
