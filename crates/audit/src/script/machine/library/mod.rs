//! Functions of libraries: looked up by their full names, and performed.

mod arrays;
mod beyond;
mod effect;
mod perform;
mod python;
mod surface;
mod table;

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::script::python::{BUILTINS, MODULES};
use crate::script::trace::{Beyond, Outside};
use effect::Effect;
pub(super) use effect::{Format, Order};

/// The known facts about a function of a library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub effect: Effect,
    /// The thing outside of the process that it reaches.
    pub outside: Option<Outside>,
    /// The library whose random numbers begin anew.
    pub seeds: Option<&'static str>,
    /// The sort of code that it is, where it is not followed.
    pub beyond: Option<Beyond>,
}

/// The name that a compiled library goes by, whatever file it was loaded from.
pub(super) const NATIVE: &str = "native code";
/// The name that a file of Python goes by that the script loads by its path.
pub(super) const FILE: &str = "another file";

/// Each function that a row names, by its full name.
static FUNCTIONS: LazyLock<FxHashMap<String, Effect>> = LazyLock::new(|| {
    table::FUNCTIONS.iter().flat_map(|(effect, row)| table::names(row).map(|name| (name, *effect))).collect()
});

/// The packages that a row names, and those of Python itself.
static PACKAGES: LazyLock<FxHashSet<&'static str>> = LazyLock::new(|| {
    let of_functions = FUNCTIONS.keys().map(|name| package(name));
    let of_classes = table::CLASSES.iter().map(|(start, _)| package(start));
    of_functions.chain(of_classes).chain(MODULES.iter().copied()).collect()
});

/// Returns the known facts about the function of this full name. A function that no row names, in a package that has
/// rows, returns a number made of its arguments.
pub(super) fn known(name: &str) -> Known {
    let mut elsewhere = table::ELSEWHERE.iter();
    let elsewhere = elsewhere.find_map(|(start, other)| Some(format!("{other}{}", name.strip_prefix(start)?)));
    let name = elsewhere.as_deref().unwrap_or(name);
    let effect = FUNCTIONS.get(name).copied().or_else(|| class(name)).or_else(|| by_last_name(name));
    let effect = effect.unwrap_or(Effect::Number);
    Known { effect, outside: outside(name), seeds: seeds(name), beyond: beyond(name) }
}

/// Tells the sort of code that a function is, where it is not followed. Functions of packages that a row names are
/// known by what they do.
fn beyond(name: &str) -> Option<Beyond> {
    if table::PROGRAMS.split_whitespace().any(|program| program == name) {
        return Some(Beyond::Program);
    }
    match name.split_once('.')?.0 {
        NATIVE => Some(Beyond::Native),
        FILE => Some(Beyond::File),
        top if PACKAGES.contains(top) || BUILTINS.binary_search(&top).is_ok() => None,
        _ => Some(Beyond::Package),
    }
}

/// The package in which something lies: `torch` of `torch.nn.Linear`.
fn package(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// The last part of a full name.
fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// Returns the effect of a class: the one that the table gives, else the usual one where a package calls a part `nn` or
/// `optim`.
fn class(name: &str) -> Option<Effect> {
    let own = last(name);
    if !own.starts_with(char::is_uppercase) {
        return None;
    }
    let fitting = table::CLASSES.iter().filter(|(start, _)| name.starts_with(start));
    let beside = fitting.max_by_key(|(start, _)| start.len()).map(|(_, effect)| *effect);
    beside.or_else(|| match name {
        _ if PACKAGES.contains(package(name)) => None,
        _ if name.contains("optim") && !own.contains("Sched") && !own.ends_with("LR") => Some(Effect::Optimizer),
        _ if name.contains(".nn.") => Some(Effect::Layer),
        _ => None,
    })
}

/// Takes a function of a package that no row names, or a name that nothing binds, for the function with that name
/// elsewhere.
fn by_last_name(name: &str) -> Option<Effect> {
    if PACKAGES.contains(package(name)) || BUILTINS.binary_search(&package(name)).is_ok() {
        return None;
    }
    table::BY_LAST_NAME.iter().find_map(|start| FUNCTIONS.get(&format!("{start}{}", last(name))).copied())
}

/// Returns the thing outside of the process that a function reaches, if any.
fn outside(name: &str) -> Option<Outside> {
    let fits = |known: &str| match known.strip_prefix("*.") {
        Some(known) => last(name) == known,
        None => name.starts_with(known),
    };
    let row = table::REACH.iter().find(|(_, row)| row.split_whitespace().any(fits));
    row.and_then(|(outside, _)| *outside)
}

/// The library whose random numbers begin anew.
fn seeds(name: &str) -> Option<&'static str> {
    let row = table::SEEDS.iter().find(|(_, row)| row.split_whitespace().any(|known| known == name));
    row.map(|(library, _)| *library)
}

#[cfg(test)]
mod tests {
    use super::effect::Content;
    use super::*;

    #[test]
    fn no_function_has_two_effects() {
        let names: Vec<String> = table::FUNCTIONS.iter().flat_map(|(_, row)| table::names(row)).collect();
        assert_eq!(names.len(), FUNCTIONS.len(), "a name stands in two rows");
    }

    #[test]
    fn a_function_is_known_by_its_full_name() {
        let rows = [
            ("torch.load", Effect::Reads(Format::State)),
            ("numpy.load", Effect::Reads(Format::Numbers)),
            ("json.load", Effect::Reads(Format::Document)),
            ("torch.utils.cpp_extension.load", Effect::Loads(Beyond::Native)),
            ("torch.gather", Effect::Gathers),
            ("torch.distributed.gather", Effect::Collects),
            ("copy.copy", Effect::Copies),
            ("shutil.copy", Effect::Number),
            ("torch.nn.Parameter", Effect::Allocates(Content::Parameter)),
            ("inspect.Parameter", Effect::Number),
            ("datetime.time", Effect::Number),
            // Under another name of the same thing.
            ("torch.special.log_softmax", Effect::Normalizes { sums: false }),
            ("np.fromfile", Effect::Reads(Format::Numbers)),
            ("builtins.len", Effect::Length),
        ];
        for (name, effect) in rows {
            assert_eq!(known(name).effect, effect, "{name}");
        }
    }

    #[test]
    fn a_class_is_known_by_those_beside_it() {
        let rows = [
            ("torch.nn.Linear", Effect::Layer),
            ("torch.nn.utils.clip_grad_norm_", Effect::Number),
            ("torch.optim.AdamW", Effect::Optimizer),
            ("torch.optim.lr_scheduler.CosineAnnealingWarmRestarts", Effect::Number),
            ("mlx.optimizers.Adam", Effect::Optimizer),
            ("heavy.optim.Shampoo", Effect::Optimizer),
            ("somebody.nn.Attention", Effect::Layer),
            ("somebody.Attention", Effect::Number),
        ];
        for (name, effect) in rows {
            assert_eq!(known(name).effect, effect, "{name}");
        }
    }

    #[test]
    fn what_no_row_names_is_taken_for_what_is_called_so_in_torch_or_numpy() {
        let rows = [
            ("kernels_of_mine.cross_entropy", Effect::Loss),
            ("softmax", Effect::Normalizes { sums: false }),
            ("kernels_of_mine.print", Effect::Number),
            ("kernels_of_mine.attention", Effect::Number),
            // Python's own are no secret.
            ("round", Effect::Number),
            ("shutil.copy", Effect::Number),
            ("triton.language.load", Effect::Number),
        ];
        for (name, effect) in rows {
            assert_eq!(known(name).effect, effect, "{name}");
        }
    }

    #[test]
    fn what_reaches_outside_is_known_by_how_its_name_begins() {
        let rows = [
            ("subprocess.run", Some(Outside::Process)),
            ("os.execve", Some(Outside::Process)),
            ("os.path.join", None),
            ("urllib.request.urlopen", Some(Outside::Network)),
            ("urllib.parse.quote", None),
            ("urlopen", Some(Outside::Network)),
            ("transformers.AutoModel.from_pretrained", Some(Outside::Network)),
            ("torch.hub.get_dir", None),
            ("torch.nn.Embedding.from_pretrained", None),
            ("torch.utils.cpp_extension.load_inline", Some(Outside::Build)),
            ("runpy.run_path", Some(Outside::Code)),
        ];
        for (name, outside) in rows {
            assert_eq!(known(name).outside, outside, "{name}");
        }
        assert_eq!(known("numpy.random.seed").seeds, Some("numpy"));
        assert_eq!(known("np.random.seed").seeds, Some("numpy"));
        assert_eq!(known("numpy.random.default_rng").seeds, None);
    }
}
