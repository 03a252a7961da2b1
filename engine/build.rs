//! Lets the engine's binary and tests find libtorch where torch-sys found it, with no LD_LIBRARY_PATH set.
//!
//! torch-sys decides between LIBTORCH_USE_PYTORCH, LIBTORCH, LIBTORCH_LIB and `.libtorch` and says what it chose, so no
//! second copy of that decision exists here. The folder goes on to the toolkit's build script as
//! `DEP_CADDIE_ENGINE_LIBTORCH_LIB`.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
    let lib = Path::new(&lib);
    println!("cargo::metadata=libtorch_lib={}", lib.display());
    // `.libtorch` is a link into the cache. Its target comes first, so that a binary outlives the checkout; the link
    // itself follows, so that a cache that moved is found without a new build.
    if let Ok(target) = lib.canonicalize()
        && target != lib
    {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", target.display());
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        // RUNPATH, not RPATH: LD_LIBRARY_PATH, a GPU host's own libtorch for one, still wins.
        println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
    }
}
