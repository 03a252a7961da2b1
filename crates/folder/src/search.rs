//! Search for a number anywhere in a log's text, because a line that no rule of the log reader understands may still
//! print it.

use std::io::{BufRead, BufReader, Read};

use camino::Utf8Path;

use super::number::Stated;
use caddie_files::encoding;

/// Most bytes of a log that are searched.
const MAX_BYTES: u64 = 256 << 20;
/// Longest line that is examined; a longer one is a dump.
const MAX_LINE: usize = 4 << 10;

/// Finds the first line of the log that prints `stated` as a score or a loss, and that is neither a step, nor progress,
/// nor a running value. Returns its number (1-based) and its text.
pub fn printed_score(log: &Utf8Path, stated: Stated) -> Option<(u64, String)> {
    // Fewer digits are met by chance.
    if stated.decimals < 4 || stated.approximate {
        return None;
    }
    let prefix = format!("{:.*}", usize::try_from(stated.decimals).ok()?.min(10), stated.value);
    let prefix = prefix.get(..prefix.len().saturating_sub(1))?.to_owned();
    first_line(log, |text| text.contains(&prefix) && is_result(text) && numbers(text).any(|value| stated.agrees(value)))
}

/// Tells whether a line of the log states this many bytes: `Paid prefix blob: 4240472 bytes`, `prefix_bytes:8,750,000`.
pub fn states_bytes(log: &Utf8Path, bytes: u64) -> bool {
    let wanted = bytes.to_string();
    let stated = |text: &str| {
        let plain = text.replace(',', "");
        plain.contains("bytes") && plain.split(|c: char| !c.is_ascii_digit()).any(|digits| digits == wanted)
    };
    first_line(log, stated).is_some()
}

/// Returns the first line that `wanted` accepts: its number (1-based) and its text.
fn first_line(log: &Utf8Path, wanted: impl Fn(&str) -> bool) -> Option<(u64, String)> {
    let (text, _) = encoding::reader(caddie_files::open(log).ok()?).ok()?;
    let mut reader = BufReader::new(text.take(MAX_BYTES));
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        let read = reader.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line).ok()?;
        if read == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        if wanted(&text) {
            return Some((number, text.trim_end().chars().take(200).collect()));
        }
    }
    None
}

fn is_result(line: &str) -> bool {
    let lower = line.to_lowercase();
    let passing = ["step:", "train_time", "running", "progress", "chunk", "batch", "train_loss"];
    (lower.contains("bpb") || lower.contains("loss")) && !passing.iter().any(|word| lower.contains(word))
}

fn numbers(line: &str) -> impl Iterator<Item = f64> {
    let token = |c: char| !(c.is_ascii_digit() || c == '.');
    line.split(token).filter_map(|text| text.trim_end_matches('.').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_in_a_line_of_another_form_is_found_and_a_step_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Utf8Path::from_path(folder.path()).expect("UTF-8").join("a.log");
        let text = "step:10/20 val_loss:1.9 val_bpb:0.6346\nslot_exact val_loss:1.07155450 val_bpb:0.63463661\n";
        std::fs::write(&log, text).expect("writes");
        let find = |text: &str| printed_score(&log, Stated::parse(text).expect("a number")).map(|(line, _)| line);
        assert_eq!(find("0.63463661"), Some(2));
        assert_eq!(find("0.6346"), Some(2));
        assert_eq!(find("1.9000"), None);
        assert_eq!(find("0.635"), None, "three digits are met by chance");
    }

    #[test]
    fn bytes_of_something_else_are_found_as_a_whole_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = Utf8Path::from_path(folder.path()).expect("UTF-8").join("a.log");
        std::fs::write(&log, "step:4240472\nPaid prefix blob: 4,240,472 bytes\n").expect("writes");
        assert!(states_bytes(&log, 4_240_472));
        assert!(!states_bytes(&log, 240_472) && !states_bytes(&log, 424_047));
    }
}
