//! Evidence from a run's logs: a fact brings its own file and line, so that no check names them again.

use super::logged::InLog;
use super::run_log::RunLog;
use caddie_rulebook::Finding;

/// Findings that show facts of runs.
pub trait Shows {
    /// Adds the line of the run's logs that states `fact`, with `text` to show. Where no log states it, the run's own
    /// log is shown as a whole.
    fn in_log(self, run: &RunLog, fact: impl InLog, text: impl Into<String>) -> Self;
}

impl Shows for Finding {
    fn in_log(self, run: &RunLog, fact: impl InLog, text: impl Into<String>) -> Finding {
        let (file, line) = run.at(&fact);
        self.at(file, line, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::Logged;

    #[test]
    fn a_fact_is_shown_in_the_log_that_states_it() {
        let book = caddie_rulebook::Rulebook::builtin().expect("loads");
        let run = RunLog {
            log: "train.log".into(),
            score_log: Some("ttt/eval.log".into()),
            seed: Some(Logged::new(42, 11)),
            val_bpb: Some(Logged::new(1.25, 9).in_score_log()),
            ..RunLog::default()
        };
        let finding = caddie_rulebook::finding_on(&book, "repro", "");
        let finding = finding.in_log(&run, run.seed, "seed:42").in_log(&run, run.val_bpb, "val_bpb:1.25");
        let finding = finding.in_log(&run, run.steps, "no step");
        let places: Vec<_> = finding.evidence.iter().map(|place| (place.file.as_str(), place.line)).collect();
        assert_eq!(places, [("train.log", Some(11)), ("ttt/eval.log", Some(9)), ("train.log", None)]);
    }
}
