//! Compiles the shim in src/cuda, and lets the engine's binary and tests find libtorch where torch-sys found it, with
//! no LD_LIBRARY_PATH set.
//!
//! torch-sys decides between LIBTORCH_USE_PYTORCH, LIBTORCH, LIBTORCH_LIB and `.libtorch` and says what it chose, so no
//! second copy of that decision exists here. The folder goes on to the toolkit's build script as
//! `DEP_CADDIE_ENGINE_LIBTORCH_LIB`.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(lib) = std::env::var_os("DEP_TCH_LIBTORCH_LIB") else { return };
    let lib = Path::new(&lib);
    println!("cargo::metadata=libtorch_lib={}", lib.display());
    compile_shim(lib);
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

/// Builds src/shim/shim.cpp against the headers of the libtorch in `lib`: a few seconds.
///
/// A shim is needed because tch 0.24 exposes `_flash_attention_backward` but not `_flash_attention_forward`, and
/// nothing of the caching allocator. The C++ compiler is the one that torch-sys has needed already.
fn compile_shim(lib: &Path) {
    const SHIM: &str = "src/shim/shim.cpp";
    println!("cargo::rerun-if-changed={SHIM}");
    // torch-sys says where the libraries are, but not these two. It decides as follows, except that it asks Python for
    // LIBTORCH_USE_PYTORCH: there the headers lie beside the libraries too, and every wheel of torch 2.11 has ABI 1.
    let of_torch_sys = |variable: &str| {
        println!("cargo::rerun-if-env-changed={variable}");
        std::env::var(variable).ok().filter(|_| std::env::var_os("LIBTORCH_USE_PYTORCH").is_none())
    };
    println!("cargo::rerun-if-env-changed=LIBTORCH_USE_PYTORCH");
    let root = of_torch_sys("LIBTORCH_INCLUDE").or_else(|| of_torch_sys("LIBTORCH"));
    let root = root.map_or_else(|| lib.join(".."), PathBuf::from);
    let abi = of_torch_sys("LIBTORCH_CXX11_ABI").unwrap_or_else(|| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .opt_level(2)
        .debug(false)
        .warnings(false)
        .include(root.join("include"))
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .file(SHIM)
        .compile("caddie_shim");
}
