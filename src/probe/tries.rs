//! Settings under which a script is tried: its own, and those that make a leak show.
//!
//! The bound holds at every setting, so that a reviewer may choose any: a higher learning rate of an adaptation, a smaller
//! table of a cache. What is then proven is that the mechanism leaks, not that the submitted setting did by so much. The
//! e-values of all tries are averaged, so the search is paid for.

use std::collections::BTreeMap;

/// Toy sizes of a probe in place of a rehearsal's. Steps of an adaptation stay as the author chose them, because a leak may
/// consist in them.
pub(super) const SIZES: &[(&str, u64)] = &[
    ("train_batch_tokens", 8192),
    ("batch_tokens", 8192),
    ("total_batch_size", 8192),
    ("train_log_every", 50),
    ("ttt_epochs", 0),
    ("global_ttt_epochs", 0),
    ("slot_steps", 0),
    ("ttt_steps", 0),
    // Several chunks, so that one can be adapted to before another is scored.
    ("ttt_chunk_tokens", 512),
    ("global_ttt_chunk_tokens", 512),
];

/// Names of the setting that says how many layers a model has.
const LAYERS: [&str; 3] = ["num_layers", "n_layers", "n_layer"];

/// Buckets of a table that a few thousand tokens fill as densely as millions fill the author's.
const BUCKETS: u64 = 256;

/// One setting of the search.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Try {
    /// The setting in words.
    pub(super) name: String,
    /// Settings that win over everything.
    pub(super) exact: Vec<(String, String)>,
}

/// The sizes of a trial whose model has at most `layers` layers; 0 leaves them as the author chose them.
pub(super) fn sizes(layers: u64) -> Vec<(&'static str, u64)> {
    SIZES.iter().copied().chain(LAYERS.map(|name| (name, layers))).collect()
}

/// Settings of every try: an average of the weights must forget the first of a hundred steps, as the author's forgets those
/// of thousands.
pub(super) fn averaging(defaults: &BTreeMap<String, f64>) -> Vec<(String, String)> {
    let decays = defaults.iter().filter(|(name, value)| name.ends_with("EMA_DECAY") && (0.9..1.0).contains(*value));
    decays.map(|(name, _)| (name.clone(), "0.9".to_owned())).collect()
}

/// The script's own settings, and where `amplify` those in which a leak shows more.
pub(super) fn tries(defaults: &BTreeMap<String, f64>, amplify: bool) -> Vec<Try> {
    let own = Try { name: "own settings".to_owned(), exact: Vec::new() };
    if !amplify {
        return vec![own];
    }
    let times = |factor: f64| -> Vec<(String, String)> {
        let rates = defaults.iter().filter(|(name, value)| is_adaptation_rate(name) && **value > 0.0);
        rates.map(|(name, value)| (name.clone(), format!("{:.6e}", value * factor))).collect()
    };
    let tables: Vec<(String, String)> = defaults
        .iter()
        .filter(|(name, value)| is_table(name) && **value > 0.0)
        .map(|(name, _)| (name.clone(), if name.contains("BITS") { 8 } else { BUCKETS }.to_string()))
        .collect();
    let more = [
        ("learning rates of the adaptation ×30".to_owned(), times(30.0)),
        ("learning rates of the adaptation ×1000".to_owned(), times(1000.0)),
        (format!("tables of {BUCKETS} buckets"), tables),
    ];
    let more = more.into_iter().filter(|(_, exact)| !exact.is_empty()).map(|(name, exact)| Try { name, exact });
    std::iter::once(own).chain(more).collect()
}

fn is_adaptation_rate(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let adapts = parts.iter().any(|part| part.ends_with("TTT") || *part == "SLOT" || *part == "ETLB");
    adapts && parts.last() == Some(&"LR")
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
        ];
        let defaults = defaults.map(|(name, value)| (name.to_owned(), value)).into();
        let tries = tries(&defaults, true);
        let names = |at: usize| tries[at].exact.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
        assert_eq!(tries.len(), 4);
        assert_eq!(names(0), Vec::<&str>::new());
        assert_eq!(names(1), ["PREQUANT_TTT_LR", "SLOT_LR", "TTT_LR"]);
        assert_eq!(tries[1].exact[2].1, "6.000000e-2");
        assert_eq!(names(3), ["NGRAM_BUCKETS"]);
        assert_eq!(super::tries(&defaults, false).len(), 1);
        assert_eq!(super::tries(&BTreeMap::new(), true).len(), 1);
    }

    #[test]
    fn a_slow_average_becomes_fast_and_one_that_is_off_stays() {
        let of = |value| averaging(&BTreeMap::from([("EMA_DECAY".to_owned(), value), ("DECAY".to_owned(), 0.99)]));
        assert_eq!(of(0.997), [("EMA_DECAY".to_owned(), "0.9".to_owned())]);
        assert_eq!((of(0.0), of(0.5)), (vec![], vec![]));
    }
}
