//! A script of any bytes, its wrappers taken off without running it.
#![no_main]

use caddie_python::{Alone, unwrap};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let file = "train_gpt.py";
    let _ = unwrap(bytes, file, &Alone { file, source: bytes });
});
