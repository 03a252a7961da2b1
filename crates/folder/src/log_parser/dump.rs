//! Scripts that are dumped into a log: their beginning and end, length and hash.

use sha2::{Digest, Sha256};

use super::words::{ratio, value};
use crate::run_log::SourceDump;
use caddie_files::hex;

/// Fewest lines that make a script where no separator marks it.
const MIN_LINES: u64 = 20;

/// A dumped script that is being skipped.
#[derive(Debug, Clone, Default)]
pub(super) struct Dump {
    hasher: Sha256,
    /// Bytes of the dump, and the last line feed, which is hashed when another line follows: `print` added the last
    /// one.
    bytes: u64,
    pending_feed: bool,
    first_line: u64,
    last_line: u64,
    fragment: bool,
    /// True while only comments were seen: it is a script if code follows.
    pub(super) tentative: bool,
}

impl Dump {
    pub(super) fn begin(line: u64, fragment: bool, tentative: bool) -> Dump {
        Dump { first_line: line, last_line: line, fragment, tentative, ..Dump::default() }
    }

    /// Takes a line, or the beginning of one.
    pub(super) fn absorb(&mut self, line: &[u8]) {
        if std::mem::take(&mut self.pending_feed) {
            self.continue_line(b"\n");
        }
        self.continue_line(line);
    }

    /// Takes a further piece of the same line.
    pub(super) fn continue_line(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
        self.bytes += piece.len() as u64;
    }

    /// Ends the line that was absorbed.
    pub(super) fn end_line(&mut self, number: u64, feed: bool) {
        self.last_line = number;
        self.pending_feed = feed;
    }

    pub(super) fn is_fragment(&self) -> bool {
        self.fragment
    }

    /// Counts the bytes before the first line that was recognized as code: the rest of an overwritten line.
    pub(super) fn preceded_by(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Returns the dump; `None` where too little was seen to call it a script.
    pub(super) fn close(self, separated: bool) -> Option<SourceDump> {
        let lines = self.last_line - self.first_line + 1;
        let enough = if self.fragment { separated && lines >= MIN_LINES } else { separated || lines >= MIN_LINES };
        let script = enough && !self.tentative;
        script.then(|| SourceDump {
            bytes: self.bytes,
            sha256: hex(&self.hasher.finalize()),
            first_line: self.first_line,
            last_line: self.last_line,
            fragment: self.fragment,
        })
    }
}

/// Tells whether `line` is one that a script begins with and no log line looks like.
pub(super) fn begins_script(line: &str) -> bool {
    let dotted = |text: &str| {
        let named = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ',' | ' ');
        !text.is_empty() && text.chars().all(named)
    };
    if let Some(rest) = line.strip_prefix("import ") {
        return rest.split(';').next().is_some_and(dotted);
    }
    if let Some((module, _)) = line.strip_prefix("from ").and_then(|rest| rest.split_once(" import ")) {
        return dotted(module) && !module.contains(' ');
    }
    ["\"\"\"", "'''", "r\"\"\"", "#!/", "# -*- coding", "#!"].iter().any(|start| line.starts_with(start))
}

/// Tells whether the line may stand before the first import: a comment, or a description in one pair of quotes.
pub(super) fn is_comment(line: &str) -> bool {
    line.starts_with('#') || (line.len() > 2 && line.starts_with('"') && line.ends_with('"'))
}

/// Tells whether `line` is Python from the middle of a script whose beginning was overwritten.
pub(super) fn is_inner_code(line: &str) -> bool {
    let body = line.trim_start();
    let depth = line.len() - body.len();
    let begins = |words: &[&str]| words.iter().any(|word| body.starts_with(word));
    let block = body.ends_with(':') && begins(&["def ", "class ", "if ", "for ", "with ", "else:", "elif "]);
    let statement = depth >= 4 && begins(&["return ", "self."]);
    let assignment = depth >= 8 && [" = ", " *= ", " += "].iter().any(|sign| body.contains(sign));
    depth.is_multiple_of(4) && (block || statement || assignment)
}

/// Tells whether `line` can only be a log's: a script does not hold such a line with its numbers.
pub(super) fn ends_script(line: &str) -> bool {
    let first = line.split_whitespace().next().unwrap_or("");
    if let Some(rest) = first.strip_prefix("step:").or_else(|| first.strip_prefix("warmup_step:")) {
        return ratio(rest).is_some();
    }
    let numbered = |key: &str| value(line, key).is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    match first {
        "Running" => line.starts_with("Running Python ") || line.starts_with("Running PyTorch "),
        "Hyperparameters:" => line == "Hyperparameters:",
        "---" => line == "--- Hyperparameters ---",
        "stopping_early:" => {
            value(line, "train_time:").is_some_and(|text| text.starts_with(|c: char| c.is_ascii_digit()))
        }
        _ if first.starts_with("val_bpb:enabled") => true,
        _ if first.starts_with("train_loader:dataset:") => numbered("train_shards:"),
        _ if first.starts_with("val_loader:") => numbered("tokens:"),
        _ if first.starts_with("world_size:") => numbered("world_size:") && numbered("grad_accum_steps:"),
        _ if first.starts_with("model_params:") => numbered("model_params:"),
        _ if first.starts_with("seed:") => line == first && numbered("seed:"),
        _ => first.contains('/') && ratio(first).is_some() && line.contains("_loss: "),
    }
}
