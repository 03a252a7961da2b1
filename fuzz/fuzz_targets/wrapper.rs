//! A script of any bytes, its wrappers taken off without running it.
#![no_main]

mod scratch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scratch::folder(|folder| {
        scratch::write(folder, "train_gpt.py", bytes);
        let _ = caddie::code::Script::read(folder, camino::Utf8Path::new("train_gpt.py"));
    });
});
