//! `caddie submit --script`.

use super::closing::Closing;
use super::script_view::{Terminal, failed};
use super::submit::{SubmitArgs, close, ran};
use crate::render::Track;
use crate::runner::script::seed::Failure;
use crate::runner::script::{ScriptSubmission, SubmitOutcome, submit};
use caddie_files::{Result, exit};

/// Submits and closes with the table, or with what failed.
pub fn run(args: &SubmitArgs, runs_only: bool) -> Result<u8> {
    let (script, about) = (&args.script, &args.submission);
    let rulebook = about.rulebook.load()?;
    let submission = ScriptSubmission {
        script: script.required()?,
        seeds: args.seeds.clone(),
        nproc: script.nproc,
        env: script.env.clone(),
        launcher: script.launcher(),
        name: about.name.clone(),
        blurb: args.blurb.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        date: about.date,
        out: args.out.clone(),
        data: args.data.clone(),
        enforce: script.enforce,
        force: about.force,
        runs_only,
    };
    match submit(&submission, &mut Terminal::of(args.seeds.len()))? {
        SubmitOutcome::Submitted(done) => close(&Closing::of_script(&done), about),
        SubmitOutcome::Ran(runs) => ran(&runs),
        SubmitOutcome::Failed(failures) => {
            super::print(&told(&failures, args.seeds.len()))?;
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
