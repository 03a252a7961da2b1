//! Downloads, programs and files from elsewhere that a run reaches: evaluation may not reach some of them, and the
//! README has to declare others.

use std::collections::BTreeMap;

use super::super::taint::Flags;
use super::super::trace::{Action, Event, EventKind, Outside};
use super::super::value::HOLE;
use super::declared::Declared;
use super::phase::Phase;
use super::{Case, Family, Lead, Needs, Rule, step};
use caddie_rulebook::{Confidence, Severity};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "network-and-programs",
    about: "The run downloads nothing while it evaluates, calls only declared programs and begins without trained weights.",
    rules: &[
        Rule { id: "eval-no-network", needs: &[Needs::of(Flags::TRAIN, &[EventKind::Outside, EventKind::Update])] },
        Rule { id: "size-external-binary", needs: &[Needs::of(Flags::NONE, &[EventKind::Outside])] },
        Rule {
            id: "time-no-hidden-compute",
            needs: &[
                Needs::of(Flags::TRAIN, &[EventKind::Outside, EventKind::Update]),
                Needs::of(Flags::TRAIN.with(Flags::FOREIGN), &[EventKind::Restore, EventKind::Update]),
            ],
        },
        Rule { id: "size-runtime-payload", needs: &[Needs::of(Flags::NONE, &[EventKind::Outside])] },
        Rule { id: "size-no-stub", needs: &[Needs::of(Flags::NONE, &[EventKind::Outside])] },
    ],
    by_command: &[],
    beside: Needs::of(Flags::VAL, &[EventKind::Report, EventKind::Score, EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let declared = Declared::of(case);
    let mut leads: BTreeMap<&str, Lead> = BTreeMap::new();
    for (number, event) in case.trace.events.iter().enumerate() {
        let lead = match &event.action {
            Action::Outside { what, name, given } => match what {
                Outside::Network => network(case, number, event, name, given),
                Outside::Process => process(case, number, event, given, &declared),
                Outside::Build => native(case, event, given, &declared),
                Outside::Code => code(case, event, given, &declared),
            },
            Action::Restore { data } => weights(case, number, event, case.taints.flags(*data)),
            _ => None,
        };
        let Some(lead) = lead else { continue };
        match leads.get_mut(lead.rule) {
            // One lead a rule: the first, or the surest, with the places of the others.
            Some(known) if known.confidence >= lead.confidence => known.join(lead),
            _ => {
                let mut lead = lead;
                if let Some(known) = leads.remove(lead.rule) {
                    lead.join(known);
                }
                leads.insert(lead.rule, lead);
            }
        }
    }
    leads.into_values().collect()
}

impl Lead {
    /// Takes over the places of another lead of the same rule.
    fn join(&mut self, other: Lead) {
        for step in other.steps {
            if self.steps.len() < MAX_PLACES && !self.steps.iter().any(|known| known.line == step.line) {
                self.steps.push(step);
            }
        }
    }
}

/// Places that one lead names.
const MAX_PLACES: usize = 6;

/// A function that fetches something by itself.
fn network(case: &Case<'_>, number: usize, event: &Event, name: &str, given: &str) -> Option<Lead> {
    let what = format!("{name}({}) calls the network", shown(given));
    match case.phase(number) {
        Phase::Evaluation => Some(fetched_late(case, event, &what)),
        // Weights that somebody trained, before the first step.
        Phase::Before | Phase::Training if name.ends_with("from_pretrained") && !is_tokenizer(name) => {
            let (confidence, because) = case.confidence(event);
            Some(Lead {
                rule: "time-no-hidden-compute",
                confidence: confidence.min(Confidence::Medium),
                message: format!("{name}({}) loads something that was trained before the run", shown(given)),
                because: format!("{because}; its use is not known"),
                steps: vec![step(event, "something trained before is loaded")],
                clears: "begin from weights that the run itself initializes",
                at_most: None,
            })
        }
        // A kernel that a package fetches when it is imported: asked, not answered.
        Phase::Before | Phase::Training if name.starts_with("kernels.") => Some(Lead {
            rule: "eval-no-network",
            confidence: Confidence::Low,
            message: format!("{what}: a kernel is fetched while the run starts"),
            because: "nobody ruled on kernels that are fetched at import (#466)".to_owned(),
            steps: vec![step(event, "the kernel is fetched")],
            clears: "install the kernel beforehand and say so in README.md",
            at_most: None,
        }),
        _ => None,
    }
}

fn fetched_late(case: &Case<'_>, event: &Event, what: &str) -> Lead {
    let (confidence, because) = case.confidence(event);
    Lead {
        rule: "eval-no-network",
        confidence,
        message: format!("{what} after training, before the score is reported"),
        because,
        steps: vec![step(event, "the network is called during evaluation")],
        clears: "fetch everything before the run starts, and evaluate from the artifact alone",
        at_most: None,
    }
}

fn is_tokenizer(name: &str) -> bool {
    ["Tokenizer", "Config", "Processor"].iter().any(|part| name.contains(part))
}

/// A program of the system.
fn process(case: &Case<'_>, number: usize, event: &Event, given: &str, declared: &Declared) -> Option<Lead> {
    let words: Vec<&str> = given.split_whitespace().collect();
    let program = words.first()?.rsplit('/').next()?;
    let (confidence, because) = case.confidence(event);
    let confidence = confidence.min(Confidence::Medium);
    if let Some(fetches) = fetches(&words) {
        if case.phase(number) == Phase::Evaluation {
            return Some(fetched_late(case, event, &format!("`{}` {fetches}", shown(given))));
        }
        return Some(Lead {
            rule: "size-external-binary",
            confidence,
            message: format!("the script {fetches} itself: `{}`", shown(given)),
            because,
            steps: vec![step(event, fetches)],
            clears: "name it in README.md and requirements.txt as a step of the setup, and leave it out of the script",
            at_most: None,
        });
    }
    if HARMLESS.contains(&program) || COMPRESSORS.contains(&program) || program.contains(HOLE) || program.len() < 2 {
        return None;
    }
    let is_name = program.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'));
    if !is_name || declared.folder.is_none() || declared.mentions(program) || declared.has_file(program) {
        return None;
    }
    Some(Lead {
        rule: "size-external-binary",
        confidence,
        message: format!("the script calls the program {program}, which neither README.md nor requirements name"),
        because,
        steps: vec![step(event, format!("`{}` is run", shown(given)))],
        clears: "name the program in README.md as a prerequisite",
        at_most: None,
    })
}

/// Names the download that a command makes, if it makes one.
fn fetches(words: &[&str]) -> Option<&'static str> {
    let program = words.first()?.rsplit('/').next()?;
    let has = |word: &str| words.contains(&word);
    match program {
        "curl" | "wget" | "aria2c" | "gsutil" | "rclone" => Some("downloads"),
        "git" if ["clone", "pull", "fetch", "submodule"].iter().any(|word| has(word)) => Some("downloads with git"),
        "huggingface-cli" | "hf" if has("download") => Some("downloads"),
        "apt" | "apt-get" | "conda" | "mamba" | "uv" if has("install") => Some("installs packages"),
        "pip" | "pip3" if has("install") => Some("installs packages"),
        _ if has("pip") && has("install") => Some("installs packages"),
        _ => None,
    }
}

/// Native code: fine where it is in the script or in the folder (which its size counts), else from elsewhere.
fn native(case: &Case<'_>, event: &Event, given: &str, declared: &Declared) -> Option<Lead> {
    declared.folder?;
    let ends = [".so", ".cpp", ".cu", ".cc", ".c", ".dll", ".dylib"];
    let files = given.split_whitespace().filter(|word| ends.iter().any(|end| word.ends_with(end)));
    let missing =
        files.into_iter().find(|word| !declared.has_file(word) && !word.contains("/usr/") && !is_system(word))?;
    let name = missing.rsplit('/').next().unwrap_or(missing);
    // Code that the script writes or compiles itself is its own.
    if name.contains(HOLE) || compiles(case) {
        return None;
    }
    if case.module.source().matches(name.trim_start_matches(HOLE)).count() > 1 {
        return None;
    }
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "size-runtime-payload",
        confidence: confidence.min(Confidence::Medium),
        message: format!("native code is loaded from {name}, which is not in the folder"),
        because,
        steps: vec![step(event, "native code is loaded")],
        clears: "ship the source of the native code, or build it from text in the script, and count it",
        at_most: None,
    })
}

/// Tells whether a compiler is called.
fn compiles(case: &Case<'_>) -> bool {
    case.trace.events.iter().any(|event| match &event.action {
        Action::Outside { what: Outside::Process, given, .. } => {
            let program = given.split_whitespace().next().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
            ["gcc", "g++", "cc", "c++", "clang", "clang++", "nvcc", "make", "cmake", "cargo", "rustc"]
                .contains(&program)
                || program.contains(HOLE)
        }
        _ => false,
    })
}

/// Libraries that every machine of the contest has.
fn is_system(word: &str) -> bool {
    let name = word.rsplit('/').next().unwrap_or(word);
    ["libc.", "libm.", "libcuda", "libcudart", "libcublas", "libnccl", "libgomp", "libnvrtc", "libtorch"]
        .iter()
        .any(|known| name.starts_with(known))
}

/// A Python file that is run, and is not there to be counted.
fn code(case: &Case<'_>, event: &Event, given: &str, declared: &Declared) -> Option<Lead> {
    declared.folder?;
    let file = given.split_whitespace().find(|word| word.ends_with(".py"))?;
    let name = file.rsplit('/').next().unwrap_or(file);
    // A package may be looked for by hand; a script that neither trains nor scores is no entry.
    let packages = &case.subject.rulebook.packages;
    let installed =
        packages.provided.iter().chain(&packages.extra).any(|known| name.strip_suffix(".py") == Some(known));
    let works = !case.scores().is_empty() || case.trace.events.iter().any(|event| case.trains(event));
    if name.contains(HOLE) || declared.has_file(file) || installed || !works {
        return None;
    }
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "size-no-stub",
        confidence: confidence.min(Confidence::Medium),
        message: format!("the script runs {name}, which is not in the folder and so in no count"),
        because,
        steps: vec![step(event, format!("{name} is run"))],
        clears: "put the code into train_gpt.py",
        at_most: None,
    })
}

/// Weights from a file that the script did not write, in the model before the first step.
fn weights(case: &Case<'_>, number: usize, event: &Event, flags: Flags) -> Option<Lead> {
    if case.phase(number) != Phase::Before || !flags.has(Flags::FOREIGN) || event.place.uncertain {
        return None;
    }
    // The log says that it continues a run, which is a matter of the log (`RESUMED_RUN`).
    let resumed =
        case.subject.folder.is_some_and(|folder| folder.runs.official.iter().any(|run| run.resumed_from.is_some()));
    let (confidence, because) = case.confidence(event);
    Some(Lead {
        rule: "time-no-hidden-compute",
        confidence: confidence.min(if resumed { Confidence::Low } else { Confidence::Medium }),
        message: "the model takes up weights from a file that the run did not write, before its first step".to_owned(),
        because,
        steps: vec![step(event, "weights from before the run are taken up")],
        clears: "begin from weights that the run itself initializes, or say in README.md what the file holds",
        at_most: resumed.then_some(Severity::Info),
    })
}

/// The words of a command or call, holes as dots, cut.
fn shown(given: &str) -> String {
    const MOST: usize = 90;
    let text: String = given.replace(HOLE, "…").chars().take(MOST).collect();
    text
}

/// Programs that describe the machine, or compile files of the folder.
const HARMLESS: &[&str] = &[
    "nvidia-smi",
    "rocm-smi",
    "git",
    "uname",
    "hostname",
    "lscpu",
    "free",
    "df",
    "which",
    "where",
    "ldconfig",
    "ps",
    "cat",
    "ls",
    "mkdir",
    "cp",
    "mv",
    "rm",
    "du",
    "sysctl",
    "sw_vers",
    "system_profiler",
    "nvcc",
    "gcc",
    "g++",
    "cc",
    "c++",
    "clang",
    "clang++",
    "ninja",
    "make",
    "cmake",
    "cargo",
    "rustc",
    "python",
    "python3",
    "pyminify",
    "torchrun",
    "bash",
    "sh",
    "echo",
    "taskset",
    "numactl",
    "nproc",
    "cmd",
    "tar",
    "unzip",
    "pip",
    "ssh-keygen",
    "sync",
    "test",
    "true",
    "kill",
    "sleep",
];

/// Programs that the check of external programs names.
const COMPRESSORS: &[&str] = &[
    "lrzip", "zpaq", "xz", "7z", "7za", "zstd", "brotli", "bzip3", "bzip2", "paq8px", "cmix", "lzip", "gzip", "kanzi",
];
