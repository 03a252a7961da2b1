//! A submission.json of any bytes: read, mapped to the canonical schema, and written again.
#![no_main]

use caddie_folder::Submission;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(submission) = Submission::parse(&String::from_utf8_lossy(bytes)) {
        let _ = submission.canonical();
    }
});
