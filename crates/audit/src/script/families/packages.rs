//! Modules that a run imports and nothing brings: neither Python, nor the challenge's requirements, nor the folder, nor
//! anything that its README and requirements name.

use std::collections::BTreeMap;

use super::super::trace::{Action, Event};
use super::declared::Declared;
use super::{Case, Family, Lead, step};
use caddie_rulebook::Confidence;

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "packages",
    about: "Every module that the run imports comes with Python, the challenge, the folder or a declared package.",
    rules: &["size-no-smuggling"],
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let declared = Declared::of(case);
    if declared.folder.is_none() {
        return Vec::new();
    }
    let packages = &case.subject.rulebook.packages;
    let known = |top: &str| {
        STANDARD.contains(&top)
            || packages.provided.iter().chain(&packages.extra).any(|name| name == top)
            || COMMON.contains(&top)
    };
    let mut missing: BTreeMap<&str, &Event> = BTreeMap::new();
    for event in &case.trace.events {
        let Action::Import { name, attempted } = &event.action else { continue };
        let top = name.split('.').next().unwrap_or(name);
        // A script that goes on without a module needs no one to install it.
        if *attempted || event.place.uncertain || top.is_empty() || known(top) {
            continue;
        }
        if !declared.has_module(top) && !declared.mentions(top) {
            missing.entry(top).or_insert(event);
        }
    }
    let Some((_, first)) = missing.iter().next() else { return Vec::new() };
    let names: Vec<&str> = missing.keys().copied().collect();
    let (confidence, because) = case.confidence(first);
    let (is, it, they) = if names.len() == 1 { ("is", "it", "it") } else { ("are", "them", "they") };
    vec![Lead {
        rule: "size-no-smuggling",
        confidence: confidence.min(Confidence::Medium),
        message: format!(
            "the script imports {}, which {is} neither in the folder nor a package that README.md or requirements name",
            names.join(", ")
        ),
        because: format!(
            "{because}; without {it} the script does not run, and what {they} would bring in cannot be seen"
        ),
        steps: missing.iter().map(|(name, event)| step(event, format!("{name} is imported"))).collect(),
        clears: "ship the module in the folder, or name the package in requirements.txt",
        at_most: None,
    }]
}

/// Packages that everyone has or that only look: tools of the machine, bars of progress, loggers.
const COMMON: &[&str] = &[
    "pkg_resources",
    "setuptools",
    "packaging",
    "psutil",
    "pynvml",
    "regex",
    "yaml",
    "requests",
    "pandas",
    "matplotlib",
    "wandb",
    "pyarrow",
    "tokenizers",
    "safetensors",
    "ml_dtypes",
    "google",
    "typing_extensions",
    "mlx",
    "jax",
    "flax",
    "optax",
    "tensorflow",
    "ninja",
    "numba",
    "sklearn",
    "torch_xla",
    "torchao",
    "torchvision",
    "bitsandbytes",
    "accelerate",
    "peft",
    "liger_kernel",
    "lz4",
    "zstd",
    "xxhash",
    "msgpack",
    "sympy",
    "networkx",
    "joblib",
    "rich",
    "dotenv",
    "hydra",
    "omegaconf",
    "modal",
    "tilelang",
    "cupy",
    "cuda",
    "cutlass",
    "deepspeed",
    "apex",
    "blobfile",
    "Cython",
    "pybind11",
    "constriction",
];

/// Modules of Python itself, 3.10 to 3.14.
#[rustfmt::skip]
const STANDARD: &[&str] = &[
    "__future__", "_thread", "abc", "aifc", "antigravity", "argparse", "array", "ast", "asynchat", "asyncio",
    "asyncore", "atexit", "audioop", "base64", "bdb", "binascii", "bisect", "builtins", "bz2", "cProfile",
    "calendar", "cgi", "cgitb", "chunk", "cmath", "cmd", "code", "codecs", "codeop", "collections", "colorsys",
    "compileall", "concurrent", "configparser", "contextlib", "contextvars", "copy", "copyreg", "crypt", "csv",
    "ctypes", "curses", "dataclasses", "datetime", "dbm", "decimal", "difflib", "dis", "distutils", "doctest",
    "email", "encodings", "ensurepip", "enum", "errno", "faulthandler", "fcntl", "filecmp", "fileinput", "fnmatch",
    "fractions", "ftplib", "functools", "gc", "genericpath", "getopt", "getpass", "gettext", "glob", "graphlib",
    "grp", "gzip", "hashlib", "heapq", "hmac", "html", "http", "idlelib", "imaplib", "imghdr", "imp", "importlib",
    "inspect", "io", "ipaddress", "itertools", "json", "keyword", "lib2to3", "linecache", "locale", "logging",
    "lzma", "mailbox", "mailcap", "marshal", "math", "mimetypes", "mmap", "modulefinder", "msilib", "msvcrt",
    "multiprocessing", "netrc", "nis", "nntplib", "nt", "ntpath", "nturl2path", "numbers", "opcode", "operator",
    "optparse", "os", "ossaudiodev", "pathlib", "pdb", "pickle", "pickletools", "pipes", "pkgutil", "platform",
    "plistlib", "poplib", "posix", "posixpath", "pprint", "profile", "pstats", "pty", "pwd", "py_compile", "pyclbr",
    "pydoc", "pydoc_data", "pyexpat", "queue", "quopri", "random", "re", "readline", "reprlib", "resource",
    "rlcompleter", "runpy", "sched", "secrets", "select", "selectors", "shelve", "shlex", "shutil", "signal",
    "site", "smtpd", "smtplib", "sndhdr", "socket", "socketserver", "spwd", "sqlite3", "sre_compile",
    "sre_constants", "sre_parse", "ssl", "stat", "statistics", "string", "stringprep", "struct", "subprocess",
    "sunau", "symtable", "sys", "sysconfig", "syslog", "tabnanny", "tarfile", "telnetlib", "tempfile", "termios",
    "textwrap", "this", "threading", "time", "timeit", "tkinter", "token", "tokenize", "tomllib", "trace",
    "traceback", "tracemalloc", "tty", "turtle", "turtledemo", "types", "typing", "unicodedata", "unittest",
    "urllib", "uu", "uuid", "venv", "warnings", "wave", "weakref", "webbrowser", "winreg", "winsound", "wsgiref",
    "xdrlib", "xml", "xmlrpc", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
];
