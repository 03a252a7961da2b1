//! The lines of a log, each in bounded memory.

use std::io::BufRead;

/// Most bytes of a line that are parsed; the rest is only hashed, where it belongs to a dumped script. The longest real
/// lines are hyperparameter dumps and packed scripts.
pub(super) const MAX_LINE_BYTES: usize = 64 << 10;

/// The receiver of the lines.
pub(super) trait Sink {
    /// Takes a piece of a line that is too long to keep; `head` is the kept part.
    fn overflow(&mut self, head: &[u8], piece: &[u8]);
    /// Takes a line without its line feed; `feed` tells whether it had one.
    fn line(&mut self, line: &[u8], feed: bool);
}

/// Hands each line of `reader` to `sink`.
pub(super) fn read(reader: &mut impl BufRead, sink: &mut impl Sink) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut any = false;
    loop {
        let buffer = match reader.fill_buf() {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if buffer.is_empty() {
            if any {
                sink.line(&line, false);
            }
            return Ok(());
        }
        any = true;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let piece = &buffer[..end.unwrap_or(buffer.len())];
        let room = MAX_LINE_BYTES.saturating_sub(line.len()).min(piece.len());
        line.extend_from_slice(&piece[..room]);
        if room < piece.len() {
            sink.overflow(&line, &piece[room..]);
        }
        let used = piece.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            sink.line(&line, true);
            line.clear();
            any = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Lengths {
        lines: Vec<(usize, bool)>,
        over: usize,
    }

    impl Sink for Lengths {
        fn overflow(&mut self, _: &[u8], piece: &[u8]) {
            self.over += piece.len();
        }

        fn line(&mut self, line: &[u8], feed: bool) {
            self.lines.push((line.len(), feed));
        }
    }

    #[test]
    fn long_lines_cost_bounded_memory_and_nothing_after_them_is_lost() {
        let mut text = vec![b'x'; 10 * MAX_LINE_BYTES];
        text.extend_from_slice(b"\nseed:7\n\nlast");
        let mut sink = Lengths::default();
        read(&mut std::io::BufReader::with_capacity(1000, text.as_slice()), &mut sink).expect("reads");
        assert_eq!(sink.lines, [(MAX_LINE_BYTES, true), (6, true), (0, true), (4, false)]);
        assert_eq!(sink.over, 9 * MAX_LINE_BYTES);
    }
}
