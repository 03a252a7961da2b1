//! Modules that a run imports and nothing brings: neither Python, nor the challenge's requirements, nor the folder, nor
//! anything that its README and requirements name.

use std::collections::BTreeMap;

use super::super::python::MODULES;
use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind, Learner};
use super::declared::Declared;
use super::{Case, Family, Lead, Needs, Rule, step};
use caddie_folder::Folder;
use caddie_rulebook::{Confidence, Rulebook};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "packages",
    about: "Every module that the run imports comes with Python, the challenge, the folder or a declared package.",
    rules: &[Rule { id: "size-no-smuggling", needs: &[Needs::of(Flags::NONE, &[EventKind::Import])] }],
    by_command: &[],
    beside: Needs::of(Flags::NONE, &[EventKind::Report, EventKind::Update, EventKind::Loss, EventKind::Score]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let declared = Declared::of(case);
    if declared.folder.is_none_or(|folder| is_a_tool(case, folder)) {
        return Vec::new();
    }
    let known = |top: &str| is_a_library(top, case.subject.rulebook);
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

/// Tells whether the script is no run: nothing in it learns or is scored, and the folder has no log that it made. A tool that
/// lies beside an entry brings nothing into its evaluation.
fn is_a_tool(case: &Case<'_>, folder: &Folder) -> bool {
    let runs = |event: &Event| match &event.action {
        Action::Score { .. } | Action::Loss { .. } => true,
        Action::Update { learner, .. } => *learner != Learner::Table,
        Action::Report { text, .. } => text.contains("bpb"),
        _ => false,
    };
    folder.runs.official.is_empty() && case.trace.complete && !case.trace.events.iter().any(runs)
}

/// Tells whether a module is Python's, or of a package that the challenge or everyone has.
pub fn is_a_library(top: &str, rulebook: &Rulebook) -> bool {
    let packages = &rulebook.packages;
    MODULES.contains(&top)
        || packages.provided.iter().chain(&packages.extra).any(|name| name == top)
        || COMMON.contains(&top)
}

/// Packages that everyone has, or that only watch: tools of the machine, progress bars, loggers.
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
