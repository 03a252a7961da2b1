//! A pickle of any bytes, and a model file of any bytes: peeled, parsed, never run.
#![no_main]

use caddie_checkpoint::{parse_within, pickle};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = pickle::Limits { ops: 100_000, values: 20_000, globals: 100 };
    let parsed = pickle::parse(bytes, &limits);
    assert!(parsed.end <= bytes.len() && parsed.root.is_some() != parsed.fault.is_some());
    let contents = parse_within(bytes.to_vec(), 4 << 20);
    for tensor in &contents.tensors {
        if let Some(place) = &tensor.place {
            assert!(Some(contents.bytes(place).len() as u64) == tensor.dtype.bytes_of(tensor.numel()));
        }
    }
});
