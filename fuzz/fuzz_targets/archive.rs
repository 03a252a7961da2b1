//! An artifact of any bytes; after an odd first byte, a tar of any bytes, compressed here as artifacts are.
#![no_main]

mod scratch;

use caddie::artifact::{UnpackLimits, unpack};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else { return };
    let packed = if first % 2 == 1 { zstd::encode_all(rest, 1).expect("compresses") } else { rest.to_vec() };
    let limits = UnpackLimits { members: 16, manifest_bytes: 1 << 16, total_bytes: 1 << 20, ratio: 1000 };
    scratch::folder(|folder| {
        scratch::write(folder, "artifact.tar.zst", &packed);
        let _ = unpack(&folder.join("artifact.tar.zst"), &folder.join("out"), &limits, true);
    });
});
