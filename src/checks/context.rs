//! The context that every check gets: the folder, the rulebook and the limits that apply.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use camino::{Utf8Path, Utf8PathBuf};

use super::significance::{self, Comparison};
use crate::report::{Finding, Severity};
use caddie_audit::script::{Examined, examine};
use caddie_folder::executed::{Executed, executed};
use caddie_folder::{Fact, Folder, RunLog, Scope, Stated, track};
use caddie_python::pack;
use caddie_rulebook::{Hardware, Limits, Rulebook, Track};

/// Most logs, beside the runs' own, that are searched for a score.
const MAX_LOGS: usize = 40;
/// Most bytes of logs that are searched for claimed scores, over all searches of a folder.
const SEARCHED_BYTES: u64 = 256 << 20;

/// A folder together with the rules to judge it by.
#[derive(Debug)]
pub struct Context<'a> {
    pub folder: &'a Folder,
    pub rulebook: &'a Rulebook,
    /// The track's limits, with the cap that the caller asked for.
    pub limits: Limits,
    /// The track that the folder is entered on; `None` where nothing states one of the rulebook's.
    pub track: Option<&'a Track>,
    /// The baseline of the score, where the caller names one; else the record that stood.
    pub against: Option<String>,
    comparison: OnceLock<Comparison>,
    unlogged_seeds: OnceLock<Vec<i64>>,
    search_bytes: AtomicU64,
    executed: OnceLock<Option<Executed>>,
    audited: OnceLock<Option<Examined>>,
    packed: OnceLock<Option<u64>>,
}

impl<'a> Context<'a> {
    /// The context of `folder`; `cap` replaces the rulebook's.
    pub fn new(folder: &'a Folder, rulebook: &'a Rulebook, cap: Option<u64>) -> Context<'a> {
        let track = track::entered(folder, rulebook);
        let mut limits = rulebook.limits_of(track);
        limits.artifact_bytes = cap.unwrap_or(limits.artifact_bytes);
        Context {
            folder,
            rulebook,
            limits,
            track,
            against: None,
            comparison: OnceLock::new(),
            unlogged_seeds: OnceLock::new(),
            search_bytes: AtomicU64::new(SEARCHED_BYTES),
            executed: OnceLock::new(),
            audited: OnceLock::new(),
            packed: OnceLock::new(),
        }
    }

    /// Tells whether the record track's rules hold: on a record track, and where nothing states a track.
    pub fn competes(&self) -> bool {
        self.track.is_none_or(|track| track.record)
    }

    /// Tells whether the folder is entered on a record track, by its place or by submission.json.
    pub fn is_entered_as_record(&self) -> bool {
        self.track.is_some_and(|track| track.record)
    }

    /// The machine that the folder's runs have to be timed on; `None` where none is demanded.
    pub fn machine(&self) -> Option<&'a Hardware> {
        self.rulebook.hardware_of(self.track).filter(|_| self.competes())
    }

    /// Returns the track that the folder's place names, known to the rulebook or not.
    pub fn placed_track(&self) -> Option<String> {
        track::placed(self.folder, self.rulebook)
    }

    /// The significance tests of the score, computed once.
    pub fn comparison(&self) -> &Comparison {
        self.comparison.get_or_init(|| significance::compare(self))
    }

    /// Returns the code that the counted script executes; it is read once.
    pub fn executed(&self) -> Option<&Executed> {
        self.executed.get_or_init(|| executed(self.folder)).as_ref()
    }

    /// Returns the audit of the counted script, configured as in the first run; the script is followed once.
    pub fn audited(&self) -> Option<&Examined> {
        let examined = || {
            let (script, executed) = (self.folder.script.as_ref()?, self.executed()?);
            Some(examine(&script.path, &executed.unwrapped, Some(self.folder), self.rulebook))
        };
        self.audited.get_or_init(examined).as_ref()
    }

    /// Returns the source that the counted script runs: the one inside its wrapper, where it has one.
    pub fn source(&self) -> Option<&str> {
        let unwrapped = self.executed().filter(|executed| !executed.unwrapped.layers.is_empty());
        let unwrapped = unwrapped.and_then(|executed| std::str::from_utf8(&executed.unwrapped.source).ok());
        let script = self.folder.script.as_ref()?;
        let plain = || self.folder.code.iter().find(|code| code.path == script.path).map(|code| code.text.as_str());
        unwrapped.or_else(plain)
    }

    /// Returns the bytes of the counted script when packed without a minifier, where packing makes it smaller. Packing
    /// takes some 30 ms, so it is done only where it decides.
    pub fn packed_code(&self) -> Option<u64> {
        let smaller = |packed: &u64| self.shipped_code().is_some_and(|shipped| *packed < shipped);
        *self.packed.get_or_init(|| pack::estimate(&self.executed()?.unwrapped.source).filter(smaller))
    }

    /// Returns the bytes of the script and of the file that it hands over to, as they ship.
    pub fn shipped_code(&self) -> Option<u64> {
        let script = self.folder.script.as_ref()?;
        let redirect = self.executed().and_then(|executed| executed.unwrapped.redirect());
        let mut others = self.folder.files.iter().filter(|file| file.path != script.path);
        let other = redirect.and_then(|name| others.find(|file| file.path == name)).map_or(0, |file| file.bytes);
        Some(script.bytes.saturating_add(other))
    }

    /// The submission's runs.
    pub fn runs(&self) -> &'a [RunLog] {
        &self.folder.runs.official
    }

    /// The submission's runs, then the further runs of its logs.
    pub fn every_run(&self) -> impl Iterator<Item = &'a RunLog> {
        self.runs().iter().chain(self.folder.runs.others.iter().map(|other| &other.run))
    }

    /// Returns the seeds without a log that gives a score, among those that submission.json or a table of README.md
    /// names, or that a log has.
    pub fn unlogged_seeds(&self) -> &[i64] {
        self.unlogged_seeds.get_or_init(|| self.find_unlogged_seeds())
    }

    fn find_unlogged_seeds(&self) -> Vec<i64> {
        let scored = self.every_run().filter(|run| run.val_bpb.is_some());
        let logged: HashSet<i64> = scored.filter_map(|run| run.seed.value()).collect();
        let mut seeds =
            self.folder.metadata().map(|metadata| metadata.seed_numbers().collect::<Vec<_>>()).unwrap_or_default();
        // The log of a run may break off before its score.
        seeds.extend(self.runs().iter().filter_map(|run| run.seed.value()));
        let in_readme = self.folder.readme.as_ref().map(|readme| readme.claims()).unwrap_or_default();
        seeds.extend(in_readme.iter().filter_map(|claim| match claim.scope {
            Scope::Seed(seed) => Some(seed),
            _ => None,
        }));
        seeds.sort_unstable();
        seeds.dedup();
        seeds.retain(|seed| !logged.contains(seed));
        seeds
    }

    /// Finds a line that prints `stated` as a score although the log reader did not take it for one: in the run's own
    /// log, or in a log of none of the submission's runs (a separate evaluation). Returns its file, number and text.
    pub fn printed(&self, run: &RunLog, stated: Stated) -> Option<(Utf8PathBuf, u64, String)> {
        let of_a_run = |file: &Utf8Path| self.runs().iter().any(|run| run.log == file);
        let files = self.folder.files.iter().map(|file| file.path.as_path());
        let logs = files.filter(|file| matches!(file.extension(), Some("log" | "txt")) && !of_a_run(file));
        std::iter::once(run.log.as_path()).chain(logs.take(MAX_LOGS)).find_map(|file| {
            self.pay_for(file)?;
            let (line, text) = caddie_folder::search::printed_score(&self.folder.path.join(file), stated)?;
            Some((file.to_owned(), line, text))
        })
    }

    /// Tells whether a line of the run's log states this many bytes of something.
    pub fn states_bytes(&self, run: &RunLog, bytes: u64) -> bool {
        self.pay_for(&run.log).is_some() && caddie_folder::search::states_bytes(&self.folder.path.join(&run.log), bytes)
    }

    /// Deducts a file's bytes from the search budget; `None` when the budget is spent, so that no folder costs more.
    fn pay_for(&self, file: &Utf8Path) -> Option<()> {
        let bytes = self.folder.files.iter().find(|entry| entry.path == file)?.bytes.min(SEARCHED_BYTES);
        let take = |left: u64| left.checked_sub(bytes);
        self.search_bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok().map(|_| ())
    }

    /// Name of the metadata file, for evidence and messages.
    pub fn json_name(&self) -> &str {
        self.folder.submission.as_ref().map_or("submission.json", |file| file.file.as_str())
    }

    /// Starts a finding on `rule`, with the rule's severity and citations.
    pub fn finding(&self, rule: &str, message: impl Into<String>) -> Finding {
        caddie_rulebook::finding_on(self.rulebook, rule, message)
    }

    /// Returns `severity` on the record track, and information elsewhere.
    pub fn on_record(&self, severity: Severity) -> Severity {
        if self.competes() { severity } else { Severity::Info }
    }
}

/// The counted bytes of a run: the total that its log states, else the sum of the parts that it states.
pub fn counted_bytes(run: &RunLog) -> Option<u64> {
    run.bytes_total.value().or_else(|| run.bytes_model.value()?.checked_add(run.bytes_code.value()?))
}

/// Returns the name of a run for messages: its seed, or its file where no seed is logged.
pub fn run_name(run: &RunLog) -> String {
    run.seed.value().map_or_else(|| run.log.to_string(), |seed| format!("seed {seed}"))
}
