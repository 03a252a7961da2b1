//! The meaning of the names in a pickle: some of them only rebuild tensors.

/// The power of a name: the things that looking it up, and calling it, may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Belongs to the set that `torch.load(weights_only=True)` accepts.
    Rebuilds,
    /// Rebuilds arrays or plain data, but is not of that set.
    Data,
    /// Runs code, opens files or loads further pickles.
    Runs,
    /// Some other function or class.
    Other,
}

/// Names outside `torch` and `torch._utils` in the weights-only set (torch 2.11, `torch._weights_only_unpickler`).
const ALLOWED: [(&str, &str); 9] = [
    ("_codecs", "encode"),
    ("builtins", "bytearray"),
    ("builtins", "complex"),
    ("builtins", "set"),
    ("collections", "Counter"),
    ("collections", "OrderedDict"),
    ("torch._tensor", "_rebuild_from_type_v2"),
    ("torch.nn.parameter", "Parameter"),
    ("torch.serialization", "_get_layout"),
];

/// Names of `torch._utils` in the weights-only set.
const REBUILD: [&str; 11] = [
    "_rebuild_device_tensor_from_cpu_tensor",
    "_rebuild_device_tensor_from_numpy",
    "_rebuild_meta_tensor_no_storage",
    "_rebuild_nested_tensor",
    "_rebuild_parameter",
    "_rebuild_parameter_with_state",
    "_rebuild_qtensor",
    "_rebuild_sparse_tensor",
    "_rebuild_tensor",
    "_rebuild_tensor_v2",
    "_rebuild_tensor_v3",
];

/// Types and constants of `torch` itself.
const TORCH: [&str; 20] = [
    "Size",
    "Tensor",
    "bfloat16",
    "bool",
    "complex128",
    "complex32",
    "complex64",
    "device",
    "float16",
    "float32",
    "float64",
    "int16",
    "int32",
    "int64",
    "int8",
    "per_channel_affine",
    "per_tensor_affine",
    "uint16",
    "uint32",
    "uint8",
];

/// Beginnings of further types of `torch`: `float8_e4m3fn`, `qint8`, `bits1x8`.
const TORCH_TYPES: [&str; 8] = ["float8_", "float4_", "bits", "qint", "quint", "uint", "int", "per_"];

/// Plain data that pickles of training runs hold.
const DATA: [(&str, &str); 15] = [
    ("argparse", "Namespace"),
    ("collections", "UserDict"),
    ("collections", "UserList"),
    ("collections", "UserString"),
    ("collections", "defaultdict"),
    ("collections", "deque"),
    ("copyreg", "_reconstructor"),
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("decimal", "Decimal"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("pathlib", "PosixPath"),
    ("types", "SimpleNamespace"),
    ("uuid", "UUID"),
];

/// Types of Python's own that hold data.
const BUILTIN_TYPES: [&str; 13] = [
    "bool",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "object",
    "range",
    "slice",
    "str",
    "tuple",
    "bytearray",
];

/// Packages whose functions run code, programs or further pickles, open files or reach the network.
const RUNS: [&str; 41] = [
    "_pickle",
    "_posixsubprocess",
    "_thread",
    "aiohttp",
    "asyncio",
    "bdb",
    "builtins",
    "cloudpickle",
    "code",
    "codeop",
    "ctypes",
    "dill",
    "doctest",
    "ensurepip",
    "functools",
    "http",
    "idlelib",
    "importlib",
    "io",
    "joblib",
    "marshal",
    "multiprocessing",
    "nt",
    "operator",
    "os",
    "pdb",
    "pickle",
    "pip",
    "posix",
    "profile",
    "pty",
    "requests",
    "runpy",
    "shutil",
    "socket",
    "subprocess",
    "sys",
    "tempfile",
    "timeit",
    "types",
    "webbrowser",
];

/// Functions of torch that load or run, by their beginning.
const TORCH_RUNS: [&str; 9] = [
    "torch.load",
    "torch.hub",
    "torch.jit",
    "torch.serialization.load",
    "torch.utils.cpp_extension",
    "torch.package",
    "torch.ops",
    "torch._dynamo",
    "torch.classes",
];

/// Modules that had another name in Python 2, with their names since: `_compat_pickle.IMPORT_MAPPING` of CPython, as
/// far as a name in them stands for anything here. Protocols 0 to 2 write the old names, and every reader maps them.
const RENAMED_MODULES: [(&str, &str); 22] = [
    ("BaseHTTPServer", "http.server"),
    ("CGIHTTPServer", "http.server"),
    ("ConfigParser", "configparser"),
    ("Queue", "queue"),
    ("SimpleHTTPServer", "http.server"),
    ("SocketServer", "socketserver"),
    ("StringIO", "io"),
    ("UserDict", "collections"),
    ("UserList", "collections"),
    ("UserString", "collections"),
    ("__builtin__", "builtins"),
    ("_abcoll", "collections.abc"),
    ("cPickle", "pickle"),
    ("cStringIO", "io"),
    ("commands", "subprocess"),
    ("copy_reg", "copyreg"),
    ("dummy_thread", "_thread"),
    ("exceptions", "builtins"),
    ("httplib", "http.client"),
    ("thread", "_thread"),
    ("urllib2", "urllib.request"),
    ("xmlrpclib", "xmlrpc.client"),
];

/// A module and a name in it.
type Qualified = (&'static str, &'static str);

/// Names that moved by themselves: `_compat_pickle.NAME_MAPPING`.
const RENAMED: [(Qualified, Qualified); 14] = [
    (("UserDict", "IterableUserDict"), ("collections", "UserDict")),
    (("UserDict", "UserDict"), ("collections", "UserDict")),
    (("__builtin__", "intern"), ("sys", "intern")),
    (("__builtin__", "long"), ("builtins", "int")),
    (("__builtin__", "reduce"), ("functools", "reduce")),
    (("__builtin__", "unichr"), ("builtins", "chr")),
    (("__builtin__", "unicode"), ("builtins", "str")),
    (("__builtin__", "xrange"), ("builtins", "range")),
    (("itertools", "ifilter"), ("builtins", "filter")),
    (("itertools", "imap"), ("builtins", "map")),
    (("itertools", "izip"), ("builtins", "zip")),
    (("itertools", "izip_longest"), ("itertools", "zip_longest")),
    (("os", "getcwdu"), ("os", "getcwd")),
    (("socket", "_fileobject"), ("socket", "SocketIO")),
];

/// Returns the name that a reader looks up for the one that a pickle of protocol 2 or before writes. A module that
/// these lists do not rename keeps its own name.
fn renamed<'a>(module: &'a str, name: &'a str) -> (&'a str, &'a str) {
    if let Some((_, new)) = RENAMED.iter().find(|(old, _)| *old == (module, name)) {
        return *new;
    }
    let module = RENAMED_MODULES.iter().find(|(old, _)| *old == module).map_or(module, |(_, new)| new);
    (module, name)
}

/// Returns the standing of a name.
pub fn standing(module: &str, name: &str) -> Standing {
    let (module, name) = renamed(module, name);
    let path = format!("{module}.{name}");
    let of_torch = matches!(module, "torch" | "torch.storage" | "torch.cuda" | "torch.sparse" | "torch.cuda.sparse");
    let class = !name.contains('.') && (name.ends_with("Storage") || name.ends_with("Tensor"));
    let builtin = module == "builtins";
    // `ValueError` and the like: classes that hold their arguments.
    let exception =
        builtin && ["Error", "Exception", "Warning"].iter().any(|end| name.ends_with(end)) && !name.contains('.');
    if ALLOWED.contains(&(module, name))
        || (module == "torch._utils" && (REBUILD.contains(&name) || name == "_rebuild_wrapper_subclass"))
        || (of_torch && class)
        || (module == "torch" && (TORCH.contains(&name) || is_torch_type(name)))
    {
        return Standing::Rebuilds;
    }
    let numpy = matches!(module, "numpy.core.multiarray" | "numpy._core.multiarray" | "numpy.core.numeric")
        && matches!(name, "_reconstruct" | "scalar" | "_frombuffer");
    let numpy_type = module == "numpy.dtypes" || module.starts_with("numpy.random") && name.ends_with("_ctor");
    if DATA.contains(&(module, name)) || numpy || numpy_type || exception || (builtin && BUILTIN_TYPES.contains(&name))
    {
        return Standing::Data;
    }
    let package = module.split('.').next().unwrap_or(module);
    if RUNS.contains(&package) || TORCH_RUNS.iter().any(|start| path.starts_with(start)) {
        return Standing::Runs;
    }
    Standing::Other
}

fn is_torch_type(name: &str) -> bool {
    let start = TORCH_TYPES.iter().find_map(|start| name.strip_prefix(start));
    start.is_some_and(|rest| rest.len() <= 40 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'))
        && (name.bytes().any(|byte| byte.is_ascii_digit()) || name.starts_with("per_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_protocol_2_are_what_readers_map_them_to() {
        for (module, name, expected) in [
            ("__builtin__", "set", Standing::Rebuilds),
            ("__builtin__", "bytearray", Standing::Rebuilds),
            ("__builtin__", "complex", Standing::Rebuilds),
            ("__builtin__", "frozenset", Standing::Data),
            ("__builtin__", "xrange", Standing::Data),
            ("__builtin__", "long", Standing::Data),
            ("__builtin__", "unicode", Standing::Data),
            ("copy_reg", "_reconstructor", Standing::Data),
            ("exceptions", "ValueError", Standing::Data),
            ("UserDict", "UserDict", Standing::Data),
            ("__builtin__", "eval", Standing::Runs),
            ("__builtin__", "reduce", Standing::Runs),
            ("cPickle", "loads", Standing::Runs),
            ("commands", "getoutput", Standing::Runs),
            ("httplib", "HTTPConnection", Standing::Runs),
            ("itertools", "imap", Standing::Runs),
        ] {
            assert_eq!(standing(module, name), expected, "{module}.{name}");
        }
        assert_eq!(standing("builtins", "eval.Error"), Standing::Runs, "a dotted name reaches into attributes");
    }

    #[test]
    fn names_that_rebuild_tensors_are_told_from_the_rest() {
        for (module, name) in [
            ("torch._utils", "_rebuild_tensor_v2"),
            ("collections", "OrderedDict"),
            ("torch", "BFloat16Storage"),
            ("torch", "float8_e4m3fn"),
            ("torch", "qint8"),
            ("torch", "per_channel_affine_float_qparams"),
            ("torch.storage", "UntypedStorage"),
            ("torch.nn.parameter", "Parameter"),
        ] {
            assert_eq!(standing(module, name), Standing::Rebuilds, "{module}.{name}");
        }
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("__builtin__", "getattr"),
            ("torch", "load"),
            ("torch.hub", "load"),
            ("importlib._bootstrap", "_call_with_frames_removed"),
            ("subprocess", "Popen"),
            ("torch.utils.cpp_extension", "load_inline"),
            ("pickle", "loads"),
        ] {
            assert_eq!(standing(module, name), Standing::Runs, "{module}.{name}");
        }
        assert_eq!(standing("numpy.core.multiarray", "_reconstruct"), Standing::Data);
        assert_eq!(standing("builtins", "list"), Standing::Data);
        for (module, name) in
            [("__main__", "Model"), ("torch", "compile"), ("torch._utils", "_import_dotted_name"), ("os.path.x", "")]
        {
            assert_ne!(standing(module, name), Standing::Rebuilds, "{module}.{name}");
        }
        assert_eq!(standing("torch", "from_file.Storage"), Standing::Other, "a dotted name reaches into attributes");
        assert_eq!(standing("torch", "eval.Tensor"), Standing::Other);
    }
}
