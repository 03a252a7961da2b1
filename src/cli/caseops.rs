//! `caddie caseops`: data with case operators.

use std::io::Write as _;

use caddie_files::{Error, Result, exit};
use camino::Utf8PathBuf;
use clap::Args;

use crate::caseops::{self, DataSetReport, DataSetRequest, SHARD_TOKENS, SplitWritten, VAL_DOCUMENTS};

/// Write the shards and the byte sidecar of a CaseOps data set, from documents or from other shards
///
/// Each document is rewritten without capitals, with operators that say where they were (PR #1729), and spelled with the pieces of
/// MODEL, token by token as SentencePiece does.
///
/// SOURCE is a file with a document in each line, {"text": …} as in docs_selected.jsonl, or a folder of shards with the tokenizer
/// that made them. Text from shards is what that tokenizer kept of the original.
///
/// fineweb_val_bytes_*.bin states for each validation token the UTF-8 bytes of the given text that it stands for, none for an
/// operator. White space that the tokenizer takes away at the ends of a document belongs to no token; the report says how much.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Written, as the records' scripts and data.tokenizer = \"caseops\" read it (V: pieces):
  DIR/datasets/fineweb10B_spV_lossless_caps_caseops_v1_reserved/
      fineweb_train_*.bin fineweb_val_*.bin fineweb_val_bytes_*.bin
  DIR/tokenizers/fineweb_V_bpe_lossless_caps_caseops_v1_reserved.model

Example:
  caddie caseops docs_selected.jsonl --tokenizer caseops.model --out data
  caddie train record-2026-05 --data data --out run")]
pub struct CaseopsArgs {
    /// Documents, one in a line, or a folder of shards
    #[arg(value_name = "SOURCE")]
    pub source: Utf8PathBuf,
    /// SentencePiece model with the four operators as user-defined pieces, such as a CaseOps record has in its tokenizers/
    #[arg(long, value_name = "MODEL")]
    pub tokenizer: Utf8PathBuf,
    /// Data root to write; what is there already stays, and a data set of the same name is refused
    #[arg(long, value_name = "DIR")]
    pub out: Utf8PathBuf,
    /// Tokenizer of the shards in SOURCE, where it does not lie beside them or in tokenizers/
    #[arg(long, value_name = "MODEL")]
    pub source_tokenizer: Option<Utf8PathBuf>,
    #[arg(long, value_name = "N", help = format!("First documents of a file, which are for validation [default: {VAL_DOCUMENTS}, as the challenge splits them]"))]
    pub val_docs: Option<u64>,
    /// Documents after which the rest of SOURCE is left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub docs: Option<u64>,
    /// Tokens of a shard
    #[arg(long, value_name = "N", default_value_t = SHARD_TOKENS as u32, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub shard_tokens: u32,
}

/// Writes the data set and says what it holds.
pub fn run(args: &CaseopsArgs) -> Result<u8> {
    let request = DataSetRequest {
        source: args.source.clone(),
        tokenizer: args.tokenizer.clone(),
        source_tokenizer: args.source_tokenizer.clone(),
        out: args.out.clone(),
        val_docs: args.val_docs,
        docs: args.docs,
        shard_tokens: args.shard_tokens as usize,
    };
    let report = caseops::write(&request)?;
    print(&report).map_err(Error::io("standard output", "writing"))?;
    Ok(exit::OK)
}

fn print(report: &DataSetReport) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let DataSetReport { folder, tokenizer, train, validation, counted_bytes } = report;
    let count = |SplitWritten { documents, tokens, shards, .. }: &SplitWritten| {
        let plural = |n: &u64| if *n == 1 { "" } else { "s" };
        format!("{tokens} tokens in {documents} document{}, {shards} shard{}", plural(documents), plural(shards))
    };
    writeln!(out, "{folder}")?;
    writeln!(out, "  train       {}", count(train))?;
    writeln!(out, "  validation  {}", count(validation))?;
    match validation.text_bytes {
        all if all == *counted_bytes => writeln!(out, "  bytes       {all}, all of the validation texts")?,
        all => writeln!(
            out,
            "  bytes       {counted_bytes} of {all} of the validation texts; the tokenizer leaves out the rest at their ends"
        )?,
    }
    writeln!(out, "  tokenizer   {tokenizer}")
}
