//! A training log of any bytes.
#![no_main]

mod scratch;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    scratch::folder(|folder| {
        scratch::write(folder, "train.log", bytes);
        let _ = caddie_folder::read_log(&folder.join("train.log"));
    });
});
