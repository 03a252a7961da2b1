//! The effects of library functions on values that are followed, by their full names.
//!
//! `{array}.zeros` stands for that function of each of the [`ARRAYS`]. A function that no row names returns a number
//! made of its arguments ([`Effect::Number`]); docs/audit-interpreter.md explains the treatment of a full name that
//! says nothing.

use super::effect::{Content, Effect, Format, Order, To};
use crate::script::trace::{Beyond, Outside};

/// Libraries of arrays, most of whose functions are called alike.
const ARRAYS: &[&str] = &["torch", "numpy", "jax.numpy", "mlx.core", "cupy"];

/// Effects of functions, each with the full names of the functions that have it.
pub(super) const FUNCTIONS: &[(Effect, &str)] = &[
    // Python itself.
    (Effect::Prints, "print logging.info logging.warning loguru.logger.info loguru.logger.warning rich.print"),
    (Effect::Environment, "os.environ.get os.getenv"),
    (Effect::Converts(To::Int), "int"),
    (Effect::Converts(To::Float), "float"),
    (Effect::Converts(To::Bool), "bool"),
    (Effect::Converts(To::Text), "str"),
    (Effect::Length, "len"),
    (Effect::Range, "range"),
    (Effect::Enumerates, "enumerate"),
    (Effect::Zips, "zip"),
    (Effect::Lists(Order::Kept), "list tuple iter collections.deque tqdm.tqdm"),
    (Effect::Lists(Order::Other), "reversed set"),
    (Effect::Lists(Order::Sorted), "sorted"),
    (Effect::Buffer, "bytearray"),
    (Effect::Next, "next"),
    (Effect::Starts, "threading.Thread threading.Timer multiprocessing.Process torch.multiprocessing.Process"),
    (
        Effect::Queue,
        "queue.Queue queue.SimpleQueue queue.LifoQueue multiprocessing.Queue multiprocessing.SimpleQueue \
         torch.multiprocessing.Queue torch.multiprocessing.SimpleQueue",
    ),
    (Effect::Maps, "map jax.tree.map jax.lax.map"),
    (Effect::GetsAttribute, "getattr"),
    (Effect::SetsAttribute, "setattr"),
    (Effect::Nothing, "isinstance hasattr callable issubclass super"),
    (Effect::Dictionary, "dict collections.Counter collections.OrderedDict"),
    (Effect::DefaultDictionary, "collections.defaultdict"),
    (Effect::Rank, "torch.distributed.get_rank"),
    (
        Effect::Collects,
        "torch.distributed.all_reduce torch.distributed.reduce torch.distributed.all_gather \
         torch.distributed.all_gather_into_tensor torch.distributed.all_gather_object torch.distributed.gather \
         torch.distributed.gather_object torch.distributed.reduce_scatter",
    ),
    // A device is no data, whichever process it belongs to.
    (Effect::Nothing, "torch.device"),
    (Effect::Clock, "time.time time.perf_counter time.monotonic"),
    (Effect::Copies, "copy.deepcopy copy.copy {array}.copy"),
    (Effect::Field, "dataclasses.field attrs.field attr.field flax.struct.field"),
    (Effect::Same, "compile re.compile functools.wraps functools.partial"),
    (Effect::Options, "argparse.ArgumentParser"),
    // Files.
    (Effect::Same, "pathlib.Path os.path.abspath os.path.expanduser os.path.realpath"),
    (Effect::JoinsPath, "os.path.join"),
    (Effect::Globs, "glob.glob glob.iglob"),
    (Effect::Opens, "open io.open gzip.open lzma.open"),
    (Effect::MemoryFile, "io.BytesIO io.StringIO"),
    (
        Effect::Reads(Format::State),
        "torch.load torch.jit.load torch.hub.load torch.from_file torch.UntypedStorage.from_file \
         torch.ByteStorage.from_file torch.FloatStorage.from_file safetensors.safe_open safetensors.torch.load \
         safetensors.torch.load_file safetensors.torch.safe_open joblib.load mlx.core.load",
    ),
    (
        Effect::Reads(Format::Numbers),
        "numpy.load numpy.fromfile numpy.memmap jax.numpy.load jax.numpy.fromfile cupy.load cupy.fromfile \
         safetensors.numpy.load safetensors.numpy.load_file",
    ),
    (
        Effect::Reads(Format::Document),
        "json.load pickle.load marshal.load tomllib.load tomli.load toml.load yaml.load dill.load cloudpickle.load \
         tokenizers.Tokenizer.from_file",
    ),
    (Effect::Writes { place: 1 }, "torch.save safetensors.torch.save_file safetensors.numpy.save_file"),
    (
        Effect::Writes { place: 0 },
        "numpy.save numpy.savez jax.numpy.save jax.numpy.savez mlx.core.save mlx.core.savez cupy.save cupy.savez",
    ),
    // Modules that are compiled or wrapped stay the same.
    (
        Effect::Same,
        "torch.compile torch.jit.script torch.no_grad torch.nn.parallel.DistributedDataParallel \
         apex.parallel.DistributedDataParallel mlx.core.compile",
    ),
    (Effect::Layers, "torch.nn.ModuleList torch.nn.ModuleDict torch.nn.ParameterList torch.nn.ParameterDict"),
    (Effect::Gradient, "torch.autograd.grad"),
    // Losses and distributions.
    (Effect::LossObject, "torch.nn.CrossEntropyLoss flash_attn.losses.cross_entropy.CrossEntropyLoss"),
    (
        Effect::Loss,
        "torch.nn.functional.cross_entropy torch.nn.functional.nll_loss mlx.nn.losses.cross_entropy \
         mlx.nn.losses.nll_loss",
    ),
    (
        Effect::Normalizes { sums: false },
        "{array}.softmax {array}.log_softmax torch.nn.functional.softmax torch.nn.functional.log_softmax \
         jax.nn.softmax jax.nn.log_softmax mlx.nn.softmax mlx.nn.log_softmax scipy.special.softmax \
         scipy.special.log_softmax",
    ),
    (
        Effect::Normalizes { sums: true },
        "{array}.logsumexp jax.nn.logsumexp jax.scipy.special.logsumexp scipy.special.logsumexp",
    ),
    (Effect::Samples, "torch.multinomial numpy.random.multinomial"),
    // Arrays.
    (Effect::Same, "{array}.as_tensor"),
    (Effect::Casts, "{array}.float16 {array}.float32 {array}.float64 {array}.int16 {array}.int32 {array}.int64"),
    (
        Effect::Allocates(Content::Constant),
        "{array}.zeros {array}.ones {array}.empty {array}.zeros_like {array}.ones_like {array}.empty_like \
         {array}.full_like torch.rand torch.randn numpy.random.rand numpy.random.randn \
         torch.distributed._symmetric_memory.empty",
    ),
    (Effect::Allocates(Content::Fill), "{array}.full"),
    (Effect::Allocates(Content::Given), "torch.Tensor"),
    (Effect::Allocates(Content::Parameter), "torch.nn.Parameter"),
    (Effect::Allocates(Content::IfItLearns), "torch.tensor"),
    (Effect::Stacks, "{array}.stack"),
    (Effect::Gathers, "torch.gather torch.take_along_dim {array}.take_along_axis"),
    (Effect::Counts, "{array}.bincount {array}.histogram {array}.unique"),
    (Effect::Chooses, "min max {array}.min {array}.max {array}.minimum {array}.maximum {array}.fmin {array}.fmax"),
    (
        Effect::Finds,
        "{array}.nonzero {array}.flatnonzero {array}.argwhere {array}.isfinite {array}.isnan {array}.isinf \
         math.isfinite math.isnan math.isinf",
    ),
    (Effect::Selects, "{array}.where"),
    (
        Effect::Projects,
        "torch.nn.functional.linear {array}.matmul {array}.einsum {array}.addmm torch.mm torch.bmm torch.baddbmm \
         torch.sparse.mm torch.linalg.matmul",
    ),
    (Effect::Attends { masks: &["attn_mask", "is_causal"] }, "torch.nn.functional.scaled_dot_product_attention"),
    (Effect::Shuffles, "random.shuffle numpy.random.shuffle"),
    (
        Effect::Orders { drawn: true },
        "torch.randperm numpy.random.permutation jax.random.permutation mlx.core.random.permutation \
         cupy.random.permutation",
    ),
    (Effect::Orders { drawn: false }, "{array}.argsort"),
    (Effect::AddsAt, "numpy.add.at cupy.add.at"),
    // Code that is not followed, and pointers into arrays that it is given.
    (
        Effect::Loads(Beyond::Native),
        "ctypes.CDLL ctypes.PyDLL ctypes.cdll.LoadLibrary ctypes.pydll.LoadLibrary numpy.ctypeslib.load_library \
         torch.utils.cpp_extension.load torch.utils.cpp_extension.load_inline",
    ),
    (Effect::Loads(Beyond::File), "importlib.util.spec_from_file_location runpy.run_path"),
    (Effect::Same, "importlib.util.module_from_spec"),
    (Effect::Same, "ctypes.byref ctypes.cast ctypes.pointer ctypes.c_void_p"),
    // These belong to packages that no other row names, and must not be taken for functions of arrays.
    (Effect::Number, "triton.language.load"),
];

/// Effects of classes by the beginning of their full names: the longest that fits counts. A class has a capital letter
/// first.
pub(super) const CLASSES: &[(&str, Effect)] = &[
    ("torch.nn.", Effect::Layer),
    ("torch.optim.", Effect::Optimizer),
    ("torch.optim.lr_scheduler.", Effect::Number),
    ("torch.distributed.optim.", Effect::Optimizer),
    ("mlx.nn.", Effect::Layer),
    ("mlx.optimizers.", Effect::Optimizer),
    ("flax.linen.", Effect::Layer),
    ("bitsandbytes.nn.", Effect::Layer),
    ("bitsandbytes.optim.", Effect::Optimizer),
];

/// Things outside of the process that functions reach (`None`: nothing), by the beginning of their full names. The
/// first that fits counts; `*.name` is a function or method of that name of whatever library.
pub(super) const REACH: &[(Option<Outside>, &str)] = &[
    (None, "urllib.parse. urllib.error. socket.gethostname socket.AF_ torch.hub.get_dir torch.nn."),
    (
        Some(Outside::Network),
        "requests. urllib. http.client httpx. wget. socket. huggingface_hub. torch.hub. datasets.load_dataset \
         kernels.get_kernel kernels.load_kernel *.from_pretrained *.hf_hub_download *.snapshot_download \
         *.urlretrieve *.urlopen",
    ),
    (
        Some(Outside::Build),
        "torch.utils.cpp_extension.load torch.ops.load_library torch.classes.load_library ctypes.CDLL ctypes.cdll \
         ctypes.PyDLL numpy.ctypeslib.load_library",
    ),
    (Some(Outside::Code), "runpy.run_path importlib.util.spec_from_file_location"),
    (Some(Outside::Process), "subprocess. os.system os.popen os.exec os.spawn"),
];

/// Functions that run another program and give back what it says.
pub(super) const PROGRAMS: &str =
    "subprocess.run subprocess.check_output subprocess.Popen subprocess.getoutput os.popen";

/// The functions that make random numbers begin anew, by the library whose numbers these are.
pub(super) const SEEDS: &[(&str, &str)] = &[
    ("torch", "torch.manual_seed torch.random.manual_seed"),
    ("torch.cuda", "torch.cuda.manual_seed torch.cuda.manual_seed_all"),
    ("random", "random.seed"),
    ("numpy", "numpy.random.seed"),
];

/// Other beginnings of a name under which the same things are found.
pub(super) const ELSEWHERE: &[(&str, &str)] = &[
    ("builtins.", ""),
    ("posixpath.", "os.path."),
    ("torch.Tensor.", "torch."),
    ("torch.special.", "torch."),
    ("torch.nn.parameter.", "torch.nn."),
    ("torch.nn.modules.container.", "torch.nn."),
    ("torch.nn.modules.loss.", "torch.nn."),
    ("torch.nn.parallel.distributed.", "torch.nn.parallel."),
    ("tqdm.auto.", "tqdm."),
    ("tqdm.std.", "tqdm."),
    ("tqdm.notebook.", "tqdm."),
    // Short names that scripts give libraries, for scripts whose import was not followed.
    ("np.", "numpy."),
    ("jnp.", "jax.numpy."),
    ("mx.", "mlx.core."),
    ("F.", "torch.nn.functional."),
    ("nn.", "torch.nn."),
    ("optim.", "torch.optim."),
];

/// Modules in which a function is looked for by its last name: one of a package that no row names, or a name that
/// nothing binds.
pub(super) const BY_LAST_NAME: &[&str] = &["torch.", "torch.nn.", "torch.nn.functional.", "numpy."];

/// The full names of a row, one for each library of arrays where it says `{array}`.
pub(super) fn names(row: &'static str) -> impl Iterator<Item = String> {
    row.split_whitespace().flat_map(|name| match name.strip_prefix("{array}") {
        Some(rest) => ARRAYS.iter().map(|library| format!("{library}{rest}")).collect(),
        None => vec![name.to_owned()],
    })
}
