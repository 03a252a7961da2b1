//! A README.md of any bytes.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = caddie_folder::Readme::parse(&String::from_utf8_lossy(bytes));
});
