//! `caddie verify`

use std::collections::HashSet;
use std::io::IsTerminal;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;

use super::filter::Filter;
use super::report_options::ReportOptions;
use super::requests::Asked;
use super::rulebook_option::RulebookOption;
use super::verify_fix;
use crate::checks::diff::request::Request;
use crate::checks::walk::Walked;
use crate::checks::{VerifyOptions, diff, figures, find, walk};
use crate::project::{self, Project};
use crate::report::{FolderReport, Report, Root, Severity, Topic, UnreadFolder};
use caddie_files::{Error, Result, exit};
use caddie_folder::place::folder_of;
use caddie_rulebook::Rulebook;

/// Number of folders from which on progress is shown.
const MANY: usize = 20;

/// Check records folders: numbers re-derived from the logs, rules with their citations.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  caddie verify records/track_10min_16mb/2026-03-17_NaiveBaseline
  caddie verify --format json records/ > report.json
  caddie verify --diff origin/main..HEAD --format github
  git fetch origin pull/1530/head && caddie verify '#1530'
  caddie verify --fix --dry-run records/track_10min_16mb/2026-05-01_Mine
  caddie verify --report sarif=caddie.sarif --report junit=caddie.xml records/
  caddie verify --report html=report.html records/track_10min_16mb/2026-05-01_Mine
  caddie verify --against '#1493' records/track_10min_16mb/2026-05-01_Mine
  caddie verify --fail-on warning --cap 300000 demo/records/*/*

Severities, gravest first:
  error    a plain breach of a rule
  unknown  the files do not decide it: a reader must look
  warning  to be corrected or explained
  info     worth knowing, nothing to correct

caddie explain RULE|CODE says what a finding means and how it is cleared.

Exit codes:
  0  no finding at or above --fail-on (unknown counts from warning on)
  1  findings
  2  wrong usage, or a folder that cannot be read; the others are reported
  3  interrupted (Ctrl-C)")]
pub struct VerifyArgs {
    /// Records folders, files in them, or folders that hold them: records/, a track, a whole checkout; or fetched pull
    /// requests: 1530, '#1530', its address [default: the current folder; in a working folder of `caddie init`, the
    /// rendered ones]
    #[arg(value_name = "FOLDER")]
    pub folders: Vec<Utf8PathBuf>,
    /// Verify the folders that HEAD adds since it branched off BASE, as they are in HEAD, and check that it changes
    /// nothing else
    #[arg(long, value_name = "BASE..HEAD", conflicts_with = "folders")]
    pub diff: Option<diff::Range>,
    /// Git repository of --diff and of pull requests
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub repo: Utf8PathBuf,
    /// Write the logs' numbers into submission.json and README.md where a finding says that they state others, show the
    /// change as a diff, and verify the result
    #[arg(long, conflicts_with = "diff")]
    pub fix: bool,
    /// With --fix: print the diff and write nothing; the exit code is 1 where there is one
    #[arg(long, requires = "fix")]
    pub dry_run: bool,
    /// Least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: FailOn,
    /// Size cap in decimal bytes instead of 16,000,000
    #[arg(long, value_name = "BYTES", value_parser = super::bytes)]
    pub cap: Option<u64>,
    /// Test the score against a pull request (#1493), a records folder or a val_bpb, instead of the record that stood
    #[arg(long, value_name = "PR|FOLDER|BPB")]
    pub against: Option<String>,
    #[command(flatten)]
    pub rulebook: RulebookOption,
    #[command(flatten)]
    pub filter: Filter,
    #[command(flatten)]
    pub report: ReportOptions,
}

/// Threshold of the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    Error,
    Warning,
    Never,
}

impl FailOn {
    pub(super) fn reached(self, worst: Option<Severity>) -> bool {
        match self {
            FailOn::Error => worst >= Some(Severity::Error),
            FailOn::Warning => worst >= Some(Severity::Warning),
            FailOn::Never => false,
        }
    }
}

/// Verifies the folders that the arguments name and writes the reports; a folder that cannot be read does not stop the
/// others.
///
/// # Errors
/// When a range of commits cannot be read, or standard output cannot be written.
pub fn run(args: &VerifyArgs, project: &Result<Option<Project>>) -> Result<u8> {
    crate::stop::at_once();
    let options = VerifyOptions { cap: args.cap, against: args.against.clone() };
    let rulebook = args.rulebook.load()?;
    options.check(&rulebook)?;
    args.filter.check(&rulebook)?;
    if args.fix {
        let found = folders(args, &rulebook)?;
        match args.dry_run {
            true => return verify_fix::show(&found, &rulebook, &options),
            false => verify_fix::fix(&found.folders, &rulebook, &options)?,
        }
    }
    let outputs = args.report.open()?;
    let (outcome, of_the_repository) = match &args.diff {
        Some(range) => (diff::verify(&args.repo, range, &rulebook, &options, || ())?, true),
        None => of_arguments(args, &rulebook, &options)?,
    };
    for failure in &outcome.failures {
        eprintln!("error: {}", super::shown(&failure.to_string()));
    }
    let unreadable = outcome.exit_code();
    let failures = outcome
        .failures
        .iter()
        .map(|failure| UnreadFolder { path: failure.path.clone(), reason: failure.reason.clone() });
    // The paths of a range are relative to the top of the repository already.
    let root = if of_the_repository { Root::default() } else { Root::find() };
    let mut folders = outcome.folders;
    // A pull request does not decide which of its own findings count.
    if !of_the_repository {
        ignored(&mut folders, project, &rulebook)?;
    }
    let left_out = filtered(&mut folders, &args.filter, &rulebook);
    let report = Report { left_out, ..Report::new(rulebook.id(), folders) }.with_failures(failures).with_root(root);
    let next = match report.folders.as_slice() {
        [folder] if report.failures.is_empty() => super::next::next(folder, of_the_repository),
        _ => None,
    };
    // Folders of a commit are not on disk, or are there as something else.
    let draws = !of_the_repository && outputs.draw();
    let drawn = report.folders.iter().filter(|_| draws).map(|folder| (folder.path.clone(), figures(&folder.path)));
    let drawn: Vec<_> = drawn.collect();
    let report = report.with_rulebook(rulebook).with_next(next).with_figures(drawn);
    outputs.write(&report)?;
    let findings = if args.fail_on.reached(report.worst()) { exit::FINDINGS } else { exit::OK };
    Ok(unreadable.unwrap_or(findings))
}

/// Finds the folders whose numbers --fix corrects.
fn folders(args: &VerifyArgs, rulebook: &Rulebook) -> Result<find::Found> {
    if let Some(request) = args.folders.iter().find(|folder| Request::named(folder).is_some()) {
        return Err(Error::Usage(format!(
            "--fix writes into folders; {request} is a pull request, check it out first"
        )));
    }
    Ok(find::find(&folders_of(&named(args), &rulebook.track_prefix), &rulebook.track_prefix))
}

/// Returns the folders that are named; the current one where none is.
fn named(args: &VerifyArgs) -> Vec<Utf8PathBuf> {
    if args.folders.is_empty() { vec![Utf8PathBuf::from(".")] } else { args.folders.clone() }
}

/// Verifies the folders and the pull requests that the arguments name, and tells whether all are pull requests.
fn of_arguments(args: &VerifyArgs, rulebook: &Rulebook, options: &VerifyOptions) -> Result<(Walked, bool)> {
    let asked = Asked::of(&named(args), &args.repo, rulebook)?;
    let mut found = find::find(&folders_of(&asked.paths, &rulebook.track_prefix), &rulebook.track_prefix);
    for failure in &mut found.failures {
        if let Some(reason) = super::audit_model::instead_of_a_folder(&failure.path) {
            reason.clone_into(&mut failure.reason);
        }
    }
    let progress = progress(found.folders.len());
    let mut outcome = walk::verify_all(&found.folders, rulebook, options, || progress.inc(1));
    progress.finish_and_clear();
    outcome.failures.append(&mut found.failures);
    for request in &asked.requests {
        let name = Utf8PathBuf::from(format!("pull/{}", request.number));
        let mut more = request.proposed.verify(&name, rulebook, options, || ());
        outcome.folders.append(&mut more.folders);
        outcome.failures.append(&mut more.failures);
    }
    Ok((outcome, asked.paths.is_empty()))
}

/// Sets aside what the `caddie.toml` of the working folder says, in the folders at or below it.
fn ignored(folders: &mut [FolderReport], project: &Result<Option<Project>>, book: &Rulebook) -> Result<()> {
    let project = match project {
        Ok(Some(project)) if !project.ignore.is_empty() => project,
        Ok(_) => return Ok(()),
        Err(error) => {
            eprintln!("note: {}; nothing is ignored", super::shown(&error.to_string()));
            return Ok(());
        }
    };
    let today = jiff::Zoned::now().date();
    for (index, ignore) in project.ignore.iter().enumerate() {
        let name = &ignore.rule;
        if Topic::find(name, book).is_none() {
            let path = project.folder.join(project::FILE);
            return Err(Error::Usage(format!("{path}: ignore[{index}].rule: {name:?} is neither a rule nor a code")));
        }
        if let Some(until) = ignore.until().filter(|until| *until < today) {
            eprintln!("note: {} is no longer ignored: caddie.toml set it aside until {until}", super::shown(name));
        }
    }
    let below = |path: &Utf8Path| path.canonicalize_utf8().is_ok_and(|path| path.starts_with(&project.folder));
    for folder in folders.iter_mut().filter(|folder| below(&folder.path)) {
        project::set_aside(folder, &project.ignore, today);
    }
    Ok(())
}

/// Leaves out what the filters do not ask for, and returns the number of findings that are left out.
fn filtered(folders: &mut [FolderReport], filter: &Filter, book: &Rulebook) -> usize {
    let mut left_out = 0;
    for folder in folders {
        let before = folder.findings.len();
        folder.findings.retain(|finding| filter.keeps(finding, book));
        if folder.findings.len() < before {
            folder.judge_again();
        }
        left_out += before - folder.findings.len();
    }
    left_out
}

/// Returns the folders that the arguments name or lie in, each once: pre-commit hands over changed files.
fn folders_of(arguments: &[Utf8PathBuf], track_prefix: &str) -> Vec<Utf8PathBuf> {
    let mut known = HashSet::new();
    let folder =
        |path: &Utf8PathBuf| folder_of(path, track_prefix).filter(|_| path.is_file()).unwrap_or_else(|| path.clone());
    arguments.iter().map(folder).filter(|folder| known.insert(folder.clone())).collect()
}

/// Shows how many of many folders are done, on standard error and only if that is a terminal.
fn progress(folders: usize) -> ProgressBar {
    if folders < MANY || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    ProgressBar::new(folders as u64)
}
