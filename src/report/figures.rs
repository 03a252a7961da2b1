//! The material of the page's figures, which the report itself does not need: curves, evaluations, documents.

use caddie_folder::Curve;

/// Everything that is drawn of one folder.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// The course of each run's training, by the run's name.
    pub curves: Vec<(String, Curve)>,
    pub evaluations: Vec<Evaluations>,
    pub documents: Vec<Documents>,
}

/// The scores of one run's quantized model, in the order of its log: a later one may adapt at test time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluations {
    /// The run: `seed 42`, or its log.
    pub run: String,
    /// Name and bits per byte.
    pub scores: Vec<(String, f64)>,
}

/// The documents of one run's ledger.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Documents {
    /// The run: `seed 42`, or the ledger's file.
    pub run: String,
    /// Nats per token of each document.
    pub nats: Vec<f64>,
}
