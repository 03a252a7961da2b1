//! The grammar of training logs: the facts of each kind of line (docs/spec/records.md#logs).
//!
//! Every pattern is anchored at the start of the line and needs a number where it expects one, so that source code
//! dumped into a log, which holds the format strings of these very lines, does not match. Dumped scripts are also
//! skipped; they are hashed, to be compared with the shipped script.

mod curve;
mod dump;
mod header;
mod lines;
mod live;
mod metrics;
mod prefix;
mod printed;
mod sizes;
mod split;
mod steps;
mod timing;
mod words;

pub use self::curve::Curve;
pub use self::live::{Glance, LiveLog};
pub(super) use self::printed::read as read_printed;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{BufRead, Read};

use self::dump::Dump;
use self::prefix::Shared;
use super::logged::{Lined, Logged};
use super::run_log::{LogFile, RunLog};

/// Bytes at a log's beginning that are searched for a prefix of all lines.
const HEAD_BYTES: u64 = 16 << 10;

/// Reads a whole log, line after line, in bounded memory.
pub(super) fn read(reader: &mut impl BufRead) -> std::io::Result<LogFile> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let mut parser = Parser { shared: Shared::infer(&head), ..Parser::default() };
    lines::read(&mut std::io::Cursor::new(head).chain(reader), &mut parser)?;
    Ok(parser.finish())
}

/// Reads line after line and keeps what they state.
#[derive(Debug, Default)]
struct Parser {
    /// The run that is being read.
    current: Current,
    /// The runs before it in the file.
    earlier: Vec<RunLog>,
    /// Runs that were dropped because the file holds too many.
    dropped: Option<Lined<u64>>,
    of_a_driver: bool,
    number: u64,
    dump: Option<Dump>,
    /// The text with which every line begins, where a launcher wrote one.
    shared: Shared,
    /// True if the current line is too long to keep, and its beginning was hashed.
    long: bool,
    /// Bytes since the last line that was understood.
    not_understood: u64,
    understood: bool,
    /// Epoch seconds of the line, and of the last line that had them.
    stamp: Option<f64>,
}

/// The current run, with its facts that are not yet settled.
#[derive(Debug, Default)]
struct Current {
    run: RunLog,
    in_hyperparameters: bool,
    /// Metric lines seen before the last `ledger:` line.
    ledgered: Option<usize>,
    /// `Total submission size` without a format: raw weights and code in most logs, the counted total in a few.
    bare_total: Option<Logged<u64>>,
    /// True if something after the training loop was seen: a lower step now means another run in the same file.
    after_training: bool,
    /// True if warm-up steps were seen: the run began, even if it never came to a step.
    warmed_up: bool,
    gpus: BTreeSet<u64>,
    /// Epoch seconds at which the sizes were last stated.
    sized_at: Option<f64>,
}

impl lines::Sink for Parser {
    fn overflow(&mut self, head: &[u8], piece: &[u8]) {
        if !self.long {
            if self.dump.is_none() && dump::begins_script(&String::from_utf8_lossy(head)) {
                self.dump = Some(Dump::begin(self.number + 1, false, false));
            }
            let Some(dump) = &mut self.dump else { return };
            dump.absorb(head);
            self.long = true;
        }
        if let Some(dump) = &mut self.dump {
            dump.continue_line(piece);
        }
    }

    fn line(&mut self, line: &[u8], feed: bool) {
        self.number += 1;
        if std::mem::take(&mut self.long) {
            // Only a script has such lines; it was hashed as it came.
            if let Some(dump) = &mut self.dump {
                dump.end_line(self.number, feed);
            }
            return;
        }
        let line = without_zeros(line);
        let text = String::from_utf8_lossy(&line);
        let whole = text.trim_start_matches('\u{feff}').trim_end();
        let plain = prefix::plain(prefix::shown(whole));
        let (stamp, text) = prefix::unprefixed(&plain, &self.shared);
        self.stamp = stamp;
        let printed = if text.len() == whole.len() { Cow::Borrowed(&*line) } else { self.printed(&line) };
        if self.in_script(&printed, feed, text) {
            return;
        }
        self.understood = false;
        self.text(text);
        if self.understood {
            self.not_understood = 0;
            // What is understood is no code, whatever it looked like.
            self.dump = None;
        } else {
            self.not_understood += printed.len() as u64 + u64::from(feed);
        }
    }
}

/// Returns the line without zero bytes, where it is mostly zeros: text that is appended to a log in UTF-16 or UTF-32
/// has two or four bytes per character, in whatever encoding the log began.
fn without_zeros(line: &[u8]) -> Cow<'_, [u8]> {
    let zeros = line.iter().filter(|byte| **byte == 0).count();
    if zeros * 3 < line.len() || zeros == 0 {
        return Cow::Borrowed(line);
    }
    Cow::Owned(line.iter().copied().filter(|byte| *byte != 0).collect())
}

impl Parser {
    /// Returns a line of a dumped script as the script printed it: without prefix, colors and the terminal's carriage
    /// return.
    fn printed(&self, line: &[u8]) -> Cow<'static, [u8]> {
        let text = String::from_utf8_lossy(line);
        let text = prefix::plain(text.strip_suffix('\r').unwrap_or(&text));
        Cow::Owned(prefix::unprefixed(&text, &self.shared).1.as_bytes().to_vec())
    }

    /// Tells whether the line is part of a dumped script, which is not to be read as a log.
    fn in_script(&mut self, line: &[u8], feed: bool, text: &str) -> bool {
        if let Some(dump) = self.dump.take_if(|_| words::is_separator(text) || dump::ends_script(text)) {
            self.end_script(dump, words::is_separator(text));
        }
        if self.dump.as_ref().is_some_and(|dump| dump.tentative) {
            if dump::begins_script(text) {
                self.dump.iter_mut().for_each(|dump| dump.tentative = false);
            } else if !(dump::is_comment(text) || text.is_empty()) {
                self.dump = None;
            }
        }
        let begins = dump::begins_script(text);
        if self.dump.as_ref().is_none_or(Dump::is_fragment) && begins {
            self.dump = Some(Dump::begin(self.number, false, false));
        } else if self.dump.is_none() && dump::is_comment(text) {
            self.dump = Some(Dump::begin(self.number, false, true));
        } else if self.dump.is_none() && dump::is_inner_code(text) {
            let mut fragment = Dump::begin(self.number, true, false);
            fragment.preceded_by(self.not_understood);
            self.dump = Some(fragment);
        }
        let Some(dump) = &mut self.dump else { return false };
        dump.absorb(line);
        dump.end_line(self.number, feed);
        !dump.is_fragment() && !dump.tentative
    }

    /// Ends a dump. A script that was dumped before a run's log belongs to that run.
    fn end_script(&mut self, dump: Dump, separated: bool) {
        let Some(source) = dump.close(separated) else { return };
        if self.current.has_begun() {
            self.next_run(source.first_line);
        }
        self.current.run.source = Some(source);
    }

    fn text(&mut self, text: &str) {
        if words::is_separator(text) {
            self.current.in_hyperparameters = false;
        } else if let Some(rest) = text.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            self.indented(rest);
        } else {
            if self.starts_run(text) {
                self.next_run(self.number);
            }
            self.current.in_hyperparameters = text == "Hyperparameters:";
            self.statement(text);
        }
    }

    fn statement(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("step:") {
            self.step(rest, line);
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            self.step(line, line);
        } else if line.starts_with("stopping_early:") {
            self.stop(line);
        } else {
            let taken = self.size(line) || self.timing(line) || self.ledger(line) || self.metric(line);
            if !taken {
                self.header(line);
            }
        }
    }

    /// Ends the file.
    fn finish(mut self) -> LogFile {
        if let Some(dump) = self.dump.take().filter(|dump| !dump.is_fragment()) {
            self.end_script(dump, false);
        }
        self.next_run(self.number + 1);
        split::settle(self.earlier, self.dropped, self.of_a_driver)
    }

    /// Records a fact that this line states, and marks the line as understood.
    fn stated<T>(&mut self, value: impl Into<Option<T>>) -> Option<Logged<T>> {
        self.understood = true;
        self.here(value)
    }

    /// Records a fact of this line, which another fact marks as understood.
    fn here<T>(&self, value: impl Into<Option<T>>) -> Option<Logged<T>> {
        value.into().map(|value| Logged::new(value, self.number))
    }
}

#[cfg(test)]
mod tests;
