//! `caddie render`.

use camino::{Utf8Path, Utf8PathBuf};

use super::render_logs;
use super::rulebook_option::RulebookOption;
use crate::ablate::{AblationTable, markdown};
use crate::project::Project;
use crate::render::{self, Meta, RenderOptions, Rendered, Track};
use crate::runner::placing;
use crate::runner::script::rerender;
use caddie_files::{Error, Result, exit};
use caddie_rulebook::Rulebook;

/// Render finished runs as a records folder with its pull request's text and artifact; or your own logs as its documents
///
/// RUNS is the folder of one submission's runs, with one seed-<n> folder for each seed. Every number comes from the
/// logs; a log that contradicts its model file or its ledger stops the command. Runs of a script (caddie train --script,
/// caddie submit --script) are rendered as caddie submit --script renders them.
///
/// LOG is a log that your own script wrote, in the records folder that you make (or that folder itself, for all logs in
/// it). submission.json and README.md are corrected where they state other numbers than the logs, as caddie verify --fix
/// does, and made where they are missing; the change is shown as a diff, and nothing else is touched. What the logs do not
/// state is named.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    caddie render runs/NaiveBaseline --out out --author Ada --github-id ada --data data\n  \
    caddie render runs/demo --out out --track non_record_16mb --name 'Demo run' --no-artifact --force\n  \
    caddie render runs/demo --out out --ablations ablations/demo.json --data data\n  \
    caddie render --dry-run records/track_10min_16mb/2026-05-01_Mine/logs/*.txt\n  \
    caddie render records/track_10min_16mb/2026-05-01_Mine --author Ada --github-id ada\n\n\
Exit codes:\n  0  rendered, or nothing to change\n  1  with --dry-run: something would change\n  2  wrong usage or unreadable input")]
pub struct RenderArgs {
    /// Folder with the seed-<n> folders of one submission; or the logs of your own runs, or the folder that holds them
    #[arg(required = true, value_name = "RUNS|LOG")]
    pub(super) paths: Vec<Utf8PathBuf>,
    /// Folder that gets records/<track>/<date>_<Name>/, PULL_REQUEST.md and <Name>.tar.zst; of your own logs, the documents
    /// are written into their folder
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) out: Utf8PathBuf,
    /// With your own logs: print the diff and write nothing; the exit code is 1 where there is one
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) submission: SubmissionOptions,
    /// Data folder of the runs; the artifact takes the tokenizer from there
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Option<Utf8PathBuf>,
    /// The tokenizer's .model, where it is not in the data folder
    #[arg(long, value_name = "FILE")]
    pub(super) tokenizer: Option<Utf8PathBuf>,
    /// Table of `caddie ablate` for the README: its .json
    #[arg(long, value_name = "FILE")]
    pub(super) ablations: Option<Utf8PathBuf>,
    /// Probe report of the recipe for the legality statement: what `caddie probe entropy RECIPE --format json` printed
    #[arg(long, value_name = "FILE")]
    pub(super) probe: Option<Utf8PathBuf>,
    /// Do not pack the artifact
    #[arg(long, conflicts_with = "tokenizer")]
    pub(super) no_artifact: bool,
    /// A sentence on the method, for runs of a script and for logs
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub(super) blurb: String,
}

/// Options that name a submission and its author. `caddie submit` takes the same.
#[derive(Debug, Clone, clap::Args)]
pub struct SubmissionOptions {
    /// Name of the submission [default: that of the recipe or the script]
    #[arg(long)]
    pub name: Option<String>,
    /// Author of the submission
    #[arg(long, default_value = "", hide_default_value = true)]
    pub author: String,
    /// GitHub account that opens the pull request
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub github_id: String,
    /// Track, by its name or that of its folder [default: the rulebook's record track, here 10min_16mb]
    #[arg(long)]
    pub track: Option<String>,
    /// Date of the submission, YYYY-MM-DD [default: today, or SOURCE_DATE_EPOCH's day]
    #[arg(long)]
    pub date: Option<jiff::civil::Date>,
    /// Replace the output of an earlier rendering in the same places
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub rulebook: RulebookOption,
}

impl SubmissionOptions {
    /// Reminds the user of facts that only a person can state.
    pub fn remind(&self) {
        for (flag, value) in [("--author", &self.author), ("--github-id", &self.github_id)] {
            if value.is_empty() {
                eprintln!("note: submission.json names nobody; pass {flag}");
            }
        }
    }
}

/// Renders, and prints the paths of the output.
pub fn run(args: &RenderArgs, project: Option<&Project>) -> Result<u8> {
    let about = &args.submission;
    let rulebook = about.rulebook.load()?;
    let runs = match args.paths.as_slice() {
        [runs] if !render_logs::are_logs(&args.paths) => runs,
        _ => return render_logs::run(args, project, &rulebook),
    };
    if args.dry_run {
        caddie_files::metadata(runs, "no such file; name the logs of the runs")?;
        return Err(Error::Usage(format!("{runs}: --dry-run is for your own logs; finished runs are rendered")));
    }
    let date = match about.date {
        Some(date) => date,
        None => render::default_date()?,
    };
    let ablations = args.ablations.as_deref().map(AblationTable::read).transpose()?;
    if rerender::is_of_a_script(runs) {
        return of_a_script(args, runs, ablations.as_ref().map(markdown::write), rulebook, date);
    }
    let options = RenderOptions {
        runs: runs.clone(),
        out: args.out.clone(),
        name: about.name.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        date,
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        artifact: !args.no_artifact,
        tokenizer: args.tokenizer.clone().or_else(|| args.data.clone()),
        ablations: ablations.as_ref().map(markdown::write),
        probe: args.probe.clone(),
        force: about.force,
    };
    let rendered = placing::render(&render::runs::find(runs)?, &options)?;
    about.remind();
    super::print(&said(&rendered.facts.headline(), &rendered, &[]))?;
    Ok(exit::OK)
}

/// Renders runs of a script, whose run directories say which script it was.
fn of_a_script(
    args: &RenderArgs,
    runs: &Utf8Path,
    ablations: Option<String>,
    rulebook: Rulebook,
    date: jiff::civil::Date,
) -> Result<u8> {
    let about = &args.submission;
    if args.probe.is_some() {
        return Err(Error::Usage(format!(
            "{}: these are runs of a script; put the report on it into the folder as probe.json, where `caddie verify` reads it",
            runs
        )));
    }
    if args.no_artifact || args.tokenizer.is_some() {
        return Err(Error::Usage(format!(
            "{}: these are runs of a script, whose artifact holds what the runs wrote and no tokenizer; leave --no-artifact and \
             --tokenizer out",
            runs
        )));
    }
    let meta = Meta {
        name: about.name.clone().unwrap_or_default(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        date,
        track: Track::of(&rulebook, about.track.as_deref())?,
    };
    let rendered = rerender::render(runs, meta, args.blurb.clone(), ablations, &rulebook, &args.out, about.force)?;
    about.remind();
    super::print(&said(&rendered.facts.results.headline(), &rendered, &rendered.facts.notes))?;
    Ok(exit::OK)
}

fn said<F>(headline: &str, rendered: &Rendered<F>, notes: &[String]) -> String {
    let mut text =
        format!("val_bpb {headline}\nfolder        {}\npull request  {}\n", rendered.folder, rendered.pull_request);
    if let Some(artifact) = &rendered.artifact {
        text.push_str(&format!("artifact      {artifact}\n"));
    }
    notes.iter().for_each(|note| text.push_str(&format!("note          {note}\n")));
    text
}
