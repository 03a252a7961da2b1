//! An artifact of any bytes, and a tar of any bytes compressed as artifacts are.
#![no_main]

mod scratch;

use caddie::artifact::{UnpackLimits, unpack};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let limits = UnpackLimits { members: 16, manifest_bytes: 1 << 16, total_bytes: 1 << 20, ratio: 100 };
    scratch::folder(|folder| {
        scratch::write(folder, "artifact.tar.zst", bytes);
        let _ = unpack(&folder.join("artifact.tar.zst"), &folder.join("out"), &limits, true);
    });
});
