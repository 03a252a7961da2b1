//! Lets the binary and the tests find libtorch where the build found it; LD_LIBRARY_PATH still wins (RUNPATH).

fn main() {
    // The launcher embeds the engine's source: a file added there is a reason to build the toolkit again.
    println!("cargo:rerun-if-changed=engine/src");
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    if std::env::var_os("CARGO_FEATURE_ENGINE").is_none() {
        return;
    }
    if let Some(lib) = std::env::var_os("LIBTORCH").map(|root| std::path::PathBuf::from(root).join("lib")) {
        let lib = lib.canonicalize().unwrap_or(lib);
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
}
