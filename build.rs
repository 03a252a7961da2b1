//! Lets `caddie` and its tests find libtorch where the engine found it, with no LD_LIBRARY_PATH set.
//!
//! Without the feature `engine` there is no such folder and nothing to do. engine/build.rs says why there are two paths.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_CADDIE_ENGINE_LIBTORCH_LIB");
    println!("cargo::rerun-if-changed=build.rs");
    // Both are embedded: the engine's source and its formats in the launcher, the recipes by name.
    println!("cargo::rerun-if-changed=engine/src");
    println!("cargo::rerun-if-changed=crates/format/src");
    println!("cargo::rerun-if-changed=recipes");
    println!("cargo::rerun-if-changed=rehearsal");
    let Some(lib) = std::env::var_os("DEP_CADDIE_ENGINE_LIBTORCH_LIB") else { return };
    let lib = Path::new(&lib);
    if let Ok(target) = lib.canonicalize()
        && target != lib
    {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", target.display());
    }
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo::rustc-link-arg=-Wl,--enable-new-dtags");
        // libtorch and the engine define some inline functions both. Exported from `caddie`, which has no work of the engine
        // (src/cli/engine.rs), they would be kept for libtorch's sake, and libtorch be loaded for theirs.
        println!("cargo::rustc-link-arg-bin=caddie=-Wl,--exclude-libs,ALL");
    }
}
