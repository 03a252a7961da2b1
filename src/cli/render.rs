//! `caddie render`.

use camino::Utf8PathBuf;

use crate::Result;
use crate::error::exit;
use crate::render::{self, Options, Track};
use crate::rulebook::Rulebook;

/// Render finished runs as a records folder, the text of its pull request, and the artifact
///
/// RUNS is the folder of one submission's runs, with one seed-<n> folder for each seed. Every number comes from the logs;
/// a log that contradicts its model file or its ledger stops the command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    caddie render runs/NaiveBaseline --out out --author Ada --github-id ada --data data\n  \
    caddie render runs/demo --out out --track non_record_16mb --name 'Demo run' --no-artifact --force")]
pub struct RenderArgs {
    /// Folder with the seed-<n> folders of one submission
    runs: Utf8PathBuf,
    /// Folder that gets records/<track>/<date>_<Name>/, PULL_REQUEST.md and <Name>.tar.zst
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: Utf8PathBuf,
    /// Name of the submission [default: the recipe's]
    #[arg(long)]
    name: Option<String>,
    /// Who submits
    #[arg(long, default_value = "", hide_default_value = true)]
    author: String,
    /// GitHub account that opens the pull request
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    github_id: String,
    /// Track, by the name of its folder or without `track_`
    #[arg(long, default_value = "10min_16mb")]
    track: Track,
    /// Date of the submission, YYYY-MM-DD [default: today, or SOURCE_DATE_EPOCH's day]
    #[arg(long)]
    date: Option<jiff::civil::Date>,
    /// Data folder of the runs; the artifact takes the tokenizer from there
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Option<Utf8PathBuf>,
    /// The tokenizer's .model, where it is not in the data folder
    #[arg(long, value_name = "FILE")]
    tokenizer: Option<Utf8PathBuf>,
    /// Do not pack the artifact
    #[arg(long, conflicts_with = "tokenizer")]
    no_artifact: bool,
    /// Replace what an earlier rendering has left in the same places
    #[arg(long)]
    force: bool,
}

/// Renders, and prints where the output lies.
pub fn run(args: RenderArgs) -> Result<u8> {
    let date = match args.date {
        Some(date) => date,
        None => render::default_date()?,
    };
    let rendered = render::render(&Options {
        runs: args.runs,
        out: args.out,
        name: args.name,
        author: args.author,
        github_id: args.github_id,
        date,
        track: args.track,
        limits: (&Rulebook::builtin()?).into(),
        artifact: !args.no_artifact,
        tokenizer: args.tokenizer.or(args.data),
        force: args.force,
    })?;
    let meta = &rendered.facts.meta;
    for (flag, value) in [("--author", &meta.author), ("--github-id", &meta.github_id)] {
        if value.is_empty() {
            eprintln!("note: submission.json names nobody; pass {flag}");
        }
    }
    println!("val_bpb {}", rendered.facts.headline());
    println!("folder        {}", rendered.folder);
    println!("pull request  {}", rendered.pull_request);
    if let Some(artifact) = &rendered.artifact {
        println!("artifact      {artifact}");
    }
    Ok(exit::OK)
}
