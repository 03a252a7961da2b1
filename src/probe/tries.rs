//! Settings under which a script is tried: its own, and those that make a leak show.
//!
//! The bound holds at every setting, so that a reviewer may choose any: a higher learning rate of an adaptation, a smaller
//! table of a cache. What is then proven is that the mechanism leaks, not that the submitted setting did by so much. The
//! e-values of all tries are averaged, so the search is paid for.

use std::collections::BTreeMap;

use crate::rehearse::Prepared;

/// Toy sizes of a probe in place of a rehearsal's. Steps of an adaptation stay as the author chose them, because a leak may
/// consist in them.
pub(super) const SIZES: &[(&str, f64)] = &[
    ("train_batch_tokens", 8192.0),
    ("batch_tokens", 8192.0),
    ("total_batch_size", 8192.0),
    // Short rows, so that a few thousand tokens are many batches of an adaptation and several chunks.
    ("train_seq_len", ROW),
    ("eval_seq_len", ROW),
    ("seq_len", ROW),
    ("ttt_seq_len", ROW),
    ("ttt_eval_seq_len", ROW),
    ("ttt_train_seq_len", ROW),
    // A window that moves by a whole row is none, and what is done in windows alone would not be reached.
    ("eval_stride", STRIDE),
    ("sliding_eval_stride", STRIDE),
    ("sliding_window_stride", STRIDE),
    ("stride", STRIDE),
    ("sw_stride", STRIDE),
    ("ttt_stride", STRIDE),
    ("train_log_every", 50.0),
    ("ttt_epochs", 0.0),
    ("global_ttt_epochs", 0.0),
    ("slot_steps", 0.0),
    ("ttt_steps", 0.0),
    ("ttt_chunk_size", 32.0),
    ("ttt_batch_seqs", 4.0),
    ("ttt_batch_size", 4.0),
    // Documents have some hundred tokens, and those that are adapted to are among them.
    ("ttt_min_doc_len", ROW),
    // Tables of a cache whose size is written into the script.
    ("buckets", BUCKETS as f64),
    // An average of the weights that is written into the script forgets the first of a hundred steps too.
    ("ema_decay", FAST_AVERAGE),
];

/// Tokens of a row.
const ROW: f64 = 64.0;
/// Tokens by which a window moves on.
const STRIDE: f64 = 16.0;
/// Tokens of a chunk: several, so that one can be adapted to or put into a table before another is scored.
const CHUNK: f64 = 512.0;
/// The end of the names of settings that say how many tokens a chunk has.
const CHUNKS: &str = "CHUNK_TOKENS";
/// Decay of an average of the weights.
const FAST_AVERAGE: f64 = 0.9;

/// Names of the setting that says how many layers a model has.
const LAYERS: [&str; 3] = ["num_layers", "n_layers", "n_layer"];

/// Buckets of a table that a few thousand tokens fill as densely as millions fill the author's.
const BUCKETS: u64 = 1024;

/// One setting of the search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Try {
    /// The setting in words.
    pub(super) name: String,
    /// Settings that win over everything.
    pub(super) exact: Vec<(String, String)>,
}

/// The sizes of a trial whose model has at most `layers` layers; 0 leaves them as the author chose them.
pub(super) fn sizes(prepared: &Prepared, layers: u64) -> Vec<(&str, f64)> {
    let chunks = prepared.defaults.keys().filter(|name| name.ends_with(CHUNKS)).map(|name| (name.as_str(), CHUNK));
    SIZES.iter().copied().chain(LAYERS.map(|name| (name, layers as f64))).chain(chunks).collect()
}

/// Settings of every try: an average of the weights must forget the first of a hundred steps, as the author's forgets those
/// of thousands.
pub(super) fn averaging(defaults: &BTreeMap<String, f64>) -> Vec<(String, String)> {
    let decays = defaults.iter().filter(|(name, value)| name.ends_with("EMA_DECAY") && (0.9..1.0).contains(*value));
    decays.map(|(name, _)| (name.clone(), FAST_AVERAGE.to_string())).collect()
}

/// The name of the try without other settings.
const OWN: &str = "own settings";

/// Factors of the learning rates of an adaptation. Adam's need the first, and SGD's, whose gradients are small, the second.
const RATES: [f64; 2] = [30.0, 1000.0];

/// Passes of an adaptation over its tokens, at least: one pass over the few that a probe has is a handful of steps.
const PASSES: f64 = 40.0;

/// The script's own settings, and where `amplify` those in which a leak shows more.
pub(super) fn tries(prepared: &Prepared, amplify: bool) -> Vec<Try> {
    let own = Try { name: OWN.to_owned(), exact: Vec::new() };
    if !amplify {
        return vec![own];
    }
    let [first, last] = RATES.map(|factor| adaptation(&prepared.defaults, factor).with(switched_on(prepared, adapts)));
    // The strongest come first, because a search ends when it has proven enough. The last are left out where the first
    // reached nothing.
    let mut tries: Vec<Try> =
        vec![tables(&prepared.defaults).with(switched_on(prepared, is_of_a_cache)), first, own, last];
    tries.retain(|tried| !tried.exact.is_empty() || tried.name == OWN);
    // Passes alone do not change with the factor of the rates.
    if tries.last().map(|last| &last.exact) == tries.iter().rev().nth(2).map(|first| &first.exact) {
        tries.pop();
    }
    tries
}

impl Try {
    /// These settings and switches that are on.
    fn with(mut self, switches: Vec<String>) -> Try {
        for switch in switches {
            let comma = if self.name.is_empty() { "" } else { ", " };
            self.name = format!("{}{comma}{switch} on", self.name);
            self.exact.push((switch, "1".to_owned()));
        }
        self
    }
}

/// Switches of an evaluation that are off unless somebody gives them, where `is` says that they belong to its kind. Those
/// that leave something out stay off.
fn switched_on(prepared: &Prepared, is: fn(&str) -> bool) -> Vec<String> {
    let limits = |name: &str| name.split('_').any(|part| ["ONLY", "SKIP", "EXCLUDE", "FIRST"].contains(&part));
    prepared.switches.iter().filter(|name| is(name) && !limits(name)).cloned().collect()
}

fn is_of_a_cache(name: &str) -> bool {
    name.split('_').any(|part| ["NGRAM", "PHRASE", "CACHE", "PPM", "KNN"].contains(&part))
}

/// Caches whose tables are small.
fn tables(defaults: &BTreeMap<String, f64>) -> Try {
    let tables = defaults.iter().filter(|(name, value)| is_table(name) && **value > 0.0);
    let exact: Vec<(String, String)> =
        tables.map(|(name, _)| (name.clone(), if name.contains("BITS") { 10 } else { BUCKETS }.to_string())).collect();
    let name = if exact.is_empty() { String::new() } else { format!("tables of {BUCKETS} buckets") };
    Try { name, exact }
}

/// An adaptation with larger learning rates and more passes, where it has such settings.
fn adaptation(defaults: &BTreeMap<String, f64>, factor: f64) -> Try {
    let of = |is: fn(&str) -> bool| defaults.iter().filter(move |(name, value)| is(name) && **value > 0.0);
    let mut exact: Vec<(String, String)> = of(is_adaptation_rate)
        .filter(|(_, value)| **value < 1.0)
        .map(|(name, value)| (name.clone(), format!("{:.6e}", value * factor)))
        .collect();
    let passes: Vec<(String, String)> =
        of(is_adaptation_passes).map(|(name, value)| (name.clone(), format!("{:.0}", value.max(PASSES)))).collect();
    let name = match (exact.is_empty(), passes.is_empty()) {
        (true, true) => String::new(),
        (false, true) => format!("learning rates of the adaptation ×{factor}"),
        (false, false) => format!("learning rates of the adaptation ×{factor}, {PASSES} passes"),
        (true, false) => format!("{PASSES} passes of the adaptation"),
    };
    exact.extend(passes);
    Try { name, exact }
}

fn is_adaptation_rate(name: &str) -> bool {
    adapts(name) && name.ends_with("_LR")
}

/// Passes over the tokens that are adapted to. Steps of SLOT are none: they are many, for each window.
fn is_adaptation_passes(name: &str) -> bool {
    adapts(name) && !name.contains("WARMUP") && (name.ends_with("_EPOCHS") || name.ends_with("_PASSES"))
}

fn adapts(name: &str) -> bool {
    name.split('_').any(|part| part.ends_with("TTT") || part == "SLOT" || part == "ETLB")
}

/// Tables of n-gram caches. A model's own table of bigrams is trained on training data and is none.
fn is_table(name: &str) -> bool {
    let of_the_model = ["BIGRAM", "TRIGRAM"].iter().any(|start| name.starts_with(start));
    let table = ["BUCKETS", "HASH_SIZE", "HASH_BITS", "TABLE_SIZE", "TABLE_BITS"].iter().any(|end| name.ends_with(end));
    table && !of_the_model
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rehearse::Vocabulary;

    fn prepared(defaults: &[(&str, f64)], switches: &[&str]) -> Prepared {
        let vocabulary = Vocabulary { size: 0, case_operators: false, usable: Vec::new(), lengths: Vec::new() };
        let defaults = defaults.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Prepared { vocabulary, defaults, switches: switches.iter().map(|name| (*name).to_owned()).collect() }
    }

    #[test]
    fn what_adapts_is_amplified_and_what_trains_is_not() {
        let defaults = [
            ("TTT_LR", 0.002),
            ("PREQUANT_TTT_LR", 0.00045),
            ("SLOT_LR", 0.012),
            ("MATRIX_LR", 0.02),
            ("NGRAM_BUCKETS", 4_194_304.0),
            ("BIGRAM_HASH_BUCKETS", 4096.0),
            ("TTT_EPOCHS", 3.0),
            ("TTT_LR_OFF", 0.0),
            ("TTT_COSINE_LR", 1.0),
            ("TTT_WARMUP_EPOCHS", 10.0),
        ];
        let defaults = prepared(&defaults, &[]);
        let tries = tries(&defaults, true);
        let names = |at: usize| tries[at].exact.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(tries.len(), 4);
        assert_eq!(names(2), Vec::<&str>::new());
        assert_eq!(names(0), ["NGRAM_BUCKETS"]);
        assert_eq!(names(1), ["PREQUANT_TTT_LR", "SLOT_LR", "TTT_LR", "TTT_EPOCHS"]);
        assert_eq!((tries[1].exact[2].1.as_str(), tries[1].exact[3].1.as_str()), ("6.000000e-2", "40"));
        assert_eq!(tries[1].name, "learning rates of the adaptation ×30, 40 passes");
        let passes = super::tries(&prepared(&[("TTT_EPOCHS", 1.0)], &[]), true);
        assert_eq!(
            passes.iter().map(|tried| tried.name.as_str()).collect::<Vec<_>>(),
            ["40 passes of the adaptation", "own settings"]
        );
        assert_eq!(super::tries(&defaults, false).len(), 1);
        assert_eq!(super::tries(&prepared(&[], &[]), true).len(), 1);
    }

    #[test]
    fn what_is_off_is_switched_on_with_what_it_belongs_to() {
        let switches = ["NGRAM_EVAL", "NGRAM_SELF_EXCLUDE", "USE_TTT", "TTT_ONLY", "SWA_ENABLED"];
        let tries = tries(&prepared(&[("NGRAM_BUCKETS", 4e6)], &switches), true);
        assert_eq!(
            tries.iter().map(|tried| tried.name.as_str()).collect::<Vec<_>>(),
            ["tables of 1024 buckets, NGRAM_EVAL on", "USE_TTT on", "own settings"]
        );
        assert_eq!(tries[1].exact, [("USE_TTT".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn every_chunk_is_small() {
        let prepared = prepared(&[("NGRAM_EVAL_CHUNK_TOKENS", 1e6)], &[]);
        assert!(sizes(&prepared, 3).contains(&("NGRAM_EVAL_CHUNK_TOKENS", 512.0)));
    }

    #[test]
    fn a_slow_average_becomes_fast_and_one_that_is_off_stays() {
        let of = |value| averaging(&BTreeMap::from([("EMA_DECAY".to_owned(), value), ("DECAY".to_owned(), 0.99)]));
        assert_eq!(of(0.997), [("EMA_DECAY".to_owned(), "0.9".to_owned())]);
        assert_eq!((of(0.0), of(0.5)), (vec![], vec![]));
    }
}
