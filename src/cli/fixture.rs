//! `caddie fixture`: a small corpus with a known floor.

use camino::Utf8PathBuf;
use clap::Args;

use crate::fixture::{self, Params, SourceReport};
use caddie_files::exit;
use caddie_files::{Error, Result};

/// Write a small corpus whose exact entropy is known, in FineWeb's layout
///
/// The corpus comes from a source that mixes topics per document over a Zipf lexicon. DIR receives two training shards,
/// a validation shard, a SentencePiece model, and source.json with the exact probability of the validation set: the
/// floor that no honest score gets below.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example:\n  caddie fixture data/demo --seed 1\n  caddie submit demo --data data/demo --track non_record_16mb"
)]
pub struct FixtureArgs {
    /// Folder to create; refused when it is not empty
    #[arg(value_name = "DIR")]
    pub dir: Utf8PathBuf,
    /// Seed; the same seed gives the same bytes on every machine
    #[arg(long, default_value_t = Params::default().seed)]
    pub seed: u64,
    /// Documents in the validation split
    #[arg(long, value_name = "N", default_value_t = Params::default().val_docs)]
    pub docs: usize,
    /// Tokens in the training split, rounded up to whole documents
    #[arg(long, value_name = "N", default_value_t = Params::default().train_tokens)]
    pub train_tokens: usize,
    /// Pieces of the tokenizer
    #[arg(long, value_name = "N", default_value_t = Params::default().vocab_size)]
    pub vocab_size: usize,
    /// Topics of the source; each document mixes two of them
    #[arg(long, value_name = "N", default_value_t = Params::default().topics)]
    pub topics: usize,
    /// Stems that a topic prefers
    #[arg(long, value_name = "N", default_value_t = Params::default().topic_words)]
    pub topic_words: usize,
    /// Share of words that come from a document's topics
    #[arg(long, value_name = "PERCENT", default_value_t = Params::default().topic_percent)]
    pub topic_percent: u64,
    /// Shortest document, in words (a word has 1.4 tokens on average)
    #[arg(long, value_name = "N", default_value_t = Params::default().min_words)]
    pub min_words: usize,
    /// Mean length of a document before --max-words cuts it, in words
    #[arg(long, value_name = "N", default_value_t = Params::default().mean_words)]
    pub mean_words: usize,
    /// Longest document, in words
    #[arg(long, value_name = "N", default_value_t = Params::default().max_words)]
    pub max_words: usize,
    /// Write the same documents as bytes too, in datasets/fineweb10B_byte260
    #[arg(long)]
    pub bytes: bool,
    /// Replace the fixture that DIR holds
    #[arg(long)]
    pub force: bool,
}

/// Writes the corpus and describes it.
pub fn run(args: &FixtureArgs) -> Result<u8> {
    let params = Params {
        seed: args.seed,
        vocab_size: args.vocab_size,
        train_tokens: args.train_tokens,
        val_docs: args.docs,
        topics: args.topics,
        topic_words: args.topic_words,
        topic_percent: args.topic_percent,
        min_words: args.min_words,
        mean_words: args.mean_words,
        max_words: args.max_words,
        bytes: args.bytes,
    };
    let report = fixture::write(&args.dir, &params, args.force)?;
    print(&args.dir, &report).map_err(Error::io("standard output", "writing"))?;
    Ok(exit::OK)
}

fn print(dir: &camino::Utf8Path, report: &SourceReport) -> std::io::Result<()> {
    use std::io::Write as _;
    let SourceReport { train_tokens, train_documents, val_tokens, val_documents, val_bytes, .. } = report;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{dir}: seed {}, vocabulary {}", report.parameters.seed, report.parameters.vocab_size)?;
    writeln!(out, "  train       {train_tokens} tokens in {train_documents} documents, 2 shards")?;
    writeln!(out, "  validation  {val_tokens} targets in {val_documents} documents, {val_bytes} bytes")?;
    writeln!(out, "  entropy     {:.6} bits per byte, given each document's topics", report.entropy_bits_per_byte)?;
    writeln!(
        out,
        "  floor       {:.6} val_bpb: the source's own score on this validation set",
        report.val_bits_per_byte
    )?;
    writeln!(
        out,
        "  topic-blind {:.6} val_bpb: the best score without inferring the topics",
        report.topic_blind_val_bits_per_byte
    )?;
    writeln!(out, "  written to {}", dir.join(fixture::SOURCE_FILE))
}
