//! Reading a brotli stream to its very end and no further. The crate's own reader takes in more than it needs, so that what
//! follows the stream could not be seen.

use std::io::{Error, ErrorKind, Read, Result};

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

/// Expands the stream at the beginning of `input`, which afterwards stands behind it.
pub struct BrotliReader<'a, 'b> {
    input: &'a mut &'b [u8],
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    done: bool,
}

impl<'a, 'b> BrotliReader<'a, 'b> {
    pub fn new(input: &'a mut &'b [u8]) -> Self {
        let state =
            BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
        BrotliReader { input, state, done: false }
    }
}

impl Read for BrotliReader<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.done || out.is_empty() {
            return Ok(0);
        }
        let (mut available_in, mut used) = (self.input.len(), 0);
        let (mut available_out, mut written, mut total) = (out.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut available_in,
            &mut used,
            self.input,
            &mut available_out,
            &mut written,
            out,
            &mut total,
            &mut self.state,
        );
        *self.input = &self.input[used..];
        match result {
            BrotliResult::ResultSuccess => {
                self.done = true;
                Ok(written)
            }
            BrotliResult::NeedsMoreOutput => Ok(written),
            BrotliResult::NeedsMoreInput => Err(Error::new(ErrorKind::UnexpectedEof, "the brotli stream is cut short")),
            BrotliResult::ResultFailure => {
                Err(Error::new(ErrorKind::InvalidData, "not a brotli stream, or a damaged one"))
            }
        }
    }
}
