//! `caddie submit --script`.

use camino::Utf8Path;

use super::closing::Closing;
use super::render::SubmissionOptions;
use super::script_options::ScriptOptions;
use super::script_view::{Terminal, failed};
use super::submit::close;
use crate::render::Track;
use crate::runner::script::seed::Failure;
use crate::runner::script::{Outcome, ScriptSubmission, submit};
use caddie_files::{Result, exit};

/// Submits and closes with the table, or with what failed.
pub fn run(
    args: &ScriptOptions,
    blurb: &str,
    data: &Utf8Path,
    seeds: &[u64],
    about: &SubmissionOptions,
    out: &Utf8Path,
) -> Result<u8> {
    let rulebook = about.rulebook.load()?;
    let submission = ScriptSubmission {
        script: args.script.clone().unwrap_or_default(),
        seeds: seeds.to_vec(),
        nproc: args.nproc,
        env: args.env.clone(),
        launcher: args.launcher(),
        name: about.name.clone(),
        blurb: blurb.to_owned(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        date: about.date,
        out: out.to_owned(),
        data: data.to_owned(),
        enforce: args.enforce,
        force: about.force,
    };
    match submit(&submission, &mut Terminal::of(seeds.len()))? {
        Outcome::Submitted(done) => {
            let facts = &done.rendered.facts;
            let closing = Closing {
                results: &facts.results,
                limits: &facts.limits,
                report: &done.report,
                source: done.source.as_ref(),
                script_bytes: facts.script_bytes,
                notes: &facts.notes,
                folder: &done.rendered.folder,
                pull_request: &done.rendered.pull_request,
                artifact: done.rendered.artifact.as_deref(),
            };
            close(&closing, about)
        }
        Outcome::Failed(failures) => {
            super::print(&told(&failures, seeds.len()))?;
            Ok(exit::FINDINGS)
        }
    }
}

/// Describes the seeds that failed.
fn told(failures: &[Failure], of: usize) -> String {
    let mut text: String = failures.iter().map(failed).collect();
    text.push_str(&format!(
        "{} of {of} seeds failed; the others are kept. The same command runs the failed ones again.\n",
        failures.len()
    ));
    text
}
