//! The lines of a log as its program printed them: without what launchers, loggers and terminals put around them.

use std::io::{BufRead, Cursor, Read as _};

use super::lines::{self, Sink};
use super::prefix::{self, Shared};
use super::{HEAD_BYTES, without_zeros};

/// Hands each line with its number (1-based) to `each`. Lines that are too long to be a log's are left out.
pub(crate) fn read(reader: &mut impl BufRead, each: impl FnMut(u64, &str)) -> std::io::Result<()> {
    let mut head = Vec::new();
    reader.by_ref().take(HEAD_BYTES).read_to_end(&mut head)?;
    let mut printed = Printed { shared: Shared::infer(&head), number: 0, long: false, each };
    lines::read(&mut Cursor::new(head).chain(reader), &mut printed)
}

struct Printed<F> {
    shared: Shared,
    number: u64,
    long: bool,
    each: F,
}

impl<F: FnMut(u64, &str)> Sink for Printed<F> {
    fn overflow(&mut self, _: &[u8], _: &[u8]) {
        self.long = true;
    }

    fn line(&mut self, line: &[u8], _: bool) {
        self.number += 1;
        if std::mem::take(&mut self.long) {
            return;
        }
        let line = without_zeros(line);
        let text = String::from_utf8_lossy(&line);
        let plain = prefix::plain(prefix::shown(text.trim_start_matches('\u{feff}').trim_end()));
        (self.each)(self.number, prefix::unprefixed(&plain, &self.shared).1);
    }
}
