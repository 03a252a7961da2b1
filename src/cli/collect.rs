//! `caddie collect`.

use std::fmt::Write as _;

use camino::Utf8PathBuf;
use clap::Args;

use super::closing::Closing;
use super::render::SubmissionOptions;
use super::submit::close;
use crate::project::Project;
use crate::render::Track;
use crate::runner::collect::{CollectOutcome, Collection, Refused, collect};
use caddie_files::{Result, exit};

/// Take back the runs that other machines made, and go on as submit does: render, pack and verify
///
/// Every file is compared with the SHA-256 that its run wrote down. Seeds that are missing, failed or damaged are named; the
/// good ones are kept in OUT/runs, and the same command goes on when the others are there.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie collect out/runs/MyEntry --seeds 42,0,1234 --script train_gpt.py\n  \
                        caddie collect seed-42.tar.gz seed-0.tar.gz --name MyEntry\n\n\
                        Exit codes:\n  0  the folder verifies\n  1  it has findings, or a run is missing, failed or changed\n  \
                        2  wrong usage, or runs that are not of one submission")]
pub struct CollectArgs {
    /// Run directories, folders that hold them, or tar archives of them (plain, gzip or zstd)
    #[arg(value_name = "DIR|ARCHIVE", required = true)]
    from: Vec<Utf8PathBuf>,
    /// The script that the runs were made with [default: where they say it lay]
    #[arg(long, value_name = "FILE")]
    script: Option<Utf8PathBuf>,
    /// Seeds that have to be there [default: those that are]
    #[arg(long, value_delimiter = ',', value_name = "N,N,…")]
    seeds: Vec<u64>,
    /// The data of the runs, which the models are searched for [default: where the runs say they lay]
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    data: Option<Utf8PathBuf>,
    /// A sentence on the method, for README.md and submission.json
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    blurb: String,
    #[command(flatten)]
    submission: SubmissionOptions,
    /// Folder that gets runs/, records/<track>/<date>_<Name>/, PULL_REQUEST.md and <Name>.tar.zst
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: Utf8PathBuf,
}

/// Collects and closes with the table, or with the runs that are not there.
pub fn run(args: &CollectArgs, project: Option<&Project>) -> Result<u8> {
    let about = &args.submission;
    let rulebook = about.rulebook.load()?;
    let collection = Collection {
        from: args.from.clone(),
        seeds: args.seeds.clone(),
        script: args.script.clone().or_else(|| project?.script.clone()),
        name: about.name.clone(),
        blurb: args.blurb.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        date: about.date,
        out: args.out.clone(),
        data: args.data.clone(),
        force: about.force,
    };
    match collect(&collection)? {
        CollectOutcome::Scripts(done) => close(&Closing::of_script(&done), about),
        CollectOutcome::Native(done) => {
            let facts = &done.rendered.facts;
            let closing = Closing {
                results: &facts.results,
                limits: &facts.limits,
                report: &done.report,
                source: None,
                script_bytes: facts.launcher_bytes,
                notes: &[],
                folder: &done.rendered.folder,
                pull_request: &done.rendered.pull_request,
                artifact: done.rendered.artifact.as_deref(),
            };
            close(&closing, about)
        }
        CollectOutcome::Refused { refused, kept, runs } => {
            super::print(&told(&refused, kept, &runs))?;
            Ok(exit::FINDINGS)
        }
    }
}

fn told(refused: &[Refused], kept: usize, runs: &camino::Utf8Path) -> String {
    let mut text = String::new();
    for Refused { seed, place, reason } in refused {
        let seed = seed.map_or_else(|| "a run".to_owned(), |seed| format!("seed {seed}"));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{seed}: {reason}\n  in {place}");
    }
    let runs_kept = caddie_files::text::counted(kept, "run");
    let _ = writeln!(
        text,
        "\nnothing is rendered yet: {runs_kept} kept in {runs}. Make the others, and give the same command their folders."
    );
    text
}
