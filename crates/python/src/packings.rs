//! The ways to pack a script, side by side: minified or as it is, with each codec, in each writing; the smallest wins that
//! every installed Python reads.

use super::minify::{self, Minified};
use super::module::{Module, ast};
use super::pack::{self, Codec, Packed, Writing};
use super::proof::{self, Interpreter};

/// The choice whether a minifier runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Minify {
    /// It runs where one is installed and works.
    #[default]
    Auto,
    /// It never runs.
    Never,
    /// It always runs: a missing minifier is an error, so that two machines do not pack one script to two sizes.
    Always,
}

/// The things that packing may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    pub minify: Minify,
    /// The packed script may need the Python package brotli though the script itself does not.
    pub brotli: bool,
}

/// A way to pack the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packing {
    pub codec: Codec,
    pub writing: Writing,
    pub minified: bool,
    /// Length of the packed script, decimal bytes.
    pub bytes: u64,
    /// The reason why it is not taken, whatever its size.
    pub barred: Option<Barred>,
}

/// A reason not to take a packing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barred {
    /// It needs a package at run time that the script does without.
    Package,
    /// This line of the source reads the script's own file as text, which raw characters are not (in UTF-8).
    ReadsItself(u64),
    /// No Python is installed that could prove it.
    Unproven,
    /// An installed Python does not read it.
    Refuted(String),
}

/// The smallest packed script that is allowed, and the packings that it was chosen from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smallest {
    pub packed: Packed,
    /// The packed source: the minifier's output, or the script as it is.
    pub source: Vec<u8>,
    pub minified: bool,
    /// The minifier that ran, and true when it left annotations in; otherwise the reason why none ran.
    pub minifier: Result<(String, bool), String>,
    /// Every packing, smallest first.
    pub packings: Vec<Packing>,
    /// Versions of the Pythons that were handed the source by it.
    pub proven: Vec<String>,
}

impl Smallest {
    /// Tells whether packing was worth it: the result is smaller than its source, which a script of a few lines never
    /// is.
    pub fn is_smaller(&self) -> bool {
        self.packed.script.len() < self.source.len()
    }
}

/// Packs `source` in every way and takes the smallest that nothing bars. Each of the `interpreters` is handed the packed
/// script first; without one, raw characters are not taken.
///
/// # Errors
/// When no packed script unwraps to its source, or a minifier is demanded and there is none that works.
pub fn smallest(source: &[u8], options: Options, interpreters: &[Interpreter]) -> Result<Smallest, String> {
    let minified = minified(source, options.minify);
    if let (Err(reason), Minify::Always) = (&minified, options.minify) {
        return Err(format!("it was not minified: {reason}; install python-minifier, or leave --minify always out"));
    }
    let brotli = options.brotli || imports(source, "brotli");
    let reads = reads_itself(source);
    let barred = |codec, writing| match (codec, writing) {
        (Codec::Brotli, _) if !brotli => Some(Barred::Package),
        (_, Writing::Latin1) if reads.is_some() => reads.map(Barred::ReadsItself),
        (_, Writing::Latin1) if interpreters.is_empty() => Some(Barred::Unproven),
        _ => None,
    };
    let sources = [(true, minified.as_ref().ok().map(|minified| minified.source.as_slice())), (false, Some(source))];
    let mut tries: Vec<(Packing, Packed, &[u8])> = Vec::new();
    let mut problem = String::new();
    for (minified, source) in sources.into_iter().filter_map(|(minified, source)| Some((minified, source?))) {
        for (codec, writing) in Codec::ALL.into_iter().flat_map(|codec| Writing::ALL.map(|writing| (codec, writing))) {
            match pack::pack(source, codec, writing) {
                Ok(packed) => {
                    let bytes = packed.script.len() as u64;
                    let barred = barred(codec, writing);
                    tries.push((Packing { codec, writing, minified, bytes, barred }, packed, source));
                }
                Err(reason) => problem = reason,
            }
        }
    }
    // A script of a few lines grows when packed, and one that grows is the last choice.
    tries.sort_by_key(|(packing, _, source)| (packing.bytes >= source.len() as u64, packing.bytes));
    let mut chosen = None;
    for (packing, packed, source) in tries.iter_mut().filter(|(packing, ..)| packing.barred.is_none()) {
        match proof::prove(&packed.script, source, interpreters) {
            // The packages of a frame may lie in another environment; Python's own modules lie in each.
            Ok(proven) if packing.writing == Writing::Latin1 && proven.is_empty() => {
                packing.barred = Some(Barred::Unproven);
            }
            Ok(proven) => {
                chosen = Some((packed.clone(), packing.minified, proven));
                break;
            }
            Err(reason) => {
                packing.barred = Some(Barred::Refuted(reason.clone()));
                problem = reason;
            }
        }
    }
    let (packed, is_minified, proven) = chosen.ok_or(problem)?;
    let mut packings: Vec<Packing> = tries.into_iter().map(|(packing, ..)| packing).collect();
    packings.sort_by_key(|packing| packing.bytes);
    let minifier = minified.as_ref().map(|made| (made.by.clone(), made.annotations_kept)).map_err(Clone::clone);
    let source = minified.ok().filter(|_| is_minified).map_or_else(|| source.to_vec(), |made| made.source);
    Ok(Smallest { packed, source, minified: is_minified, minifier, packings, proven })
}

/// Parts of a line that uses `__file__` for something else than its text in UTF-8: its bytes, its length, its folder.
const HARMLESS: [&str; 11] = [
    "\"rb\"",
    "'rb'",
    "read_bytes(",
    "dirname(",
    ".parent",
    "getsize(",
    ".stat(",
    "basename(",
    "latin",
    "\"l1\"",
    "'l1'",
];

/// Finds the first line (1-based) that may read the script's own file as text.
fn reads_itself(source: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(source);
    let reads = |line: &str| line.contains("__file__") && !HARMLESS.iter().any(|part| line.contains(part));
    (1..).zip(text.lines()).find(|(_, line)| reads(line)).map(|(number, _)| number)
}

fn minified(source: &[u8], when: Minify) -> Result<Minified, String> {
    if when == Minify::Never {
        return Err("not asked for".to_owned());
    }
    let program = minify::installed().ok_or_else(|| format!("no {} on PATH", minify::PROGRAM))?;
    minify::minify(&program, source)
}

/// Tells whether the script imports the module itself, outside of any `try`: then it is there when the script runs.
fn imports(source: &[u8], module: &str) -> bool {
    let Ok(parsed) = Module::parse(&String::from_utf8_lossy(source)) else { return false };
    parsed.body().iter().any(|statement| match statement {
        ast::Stmt::Import(import) => import.names.iter().any(|alias| alias.name.as_str() == module),
        ast::Stmt::ImportFrom(import) => import.module.as_ref().is_some_and(|name| name.as_str() == module),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_is_taken_only_where_the_script_or_the_user_has_it() {
        let lines = "def step(x):\n    return x + 1\n".repeat(60);
        let never = Options { minify: Minify::Never, brotli: false };
        let codec = |source: &str, options| smallest(source.as_bytes(), options, &[]).expect("packs").packed.codec;
        assert_ne!(codec(&lines, never), Codec::Brotli);
        assert_eq!(codec(&lines, Options { brotli: true, ..never }), Codec::Brotli);
        assert_eq!(codec(&format!("import brotli\n{lines}"), never), Codec::Brotli);
        let perhaps = format!("try:\n    import brotli\nexcept ImportError:\n    brotli = None\n{lines}");
        assert_ne!(codec(&perhaps, never), Codec::Brotli);
        let all = smallest(lines.as_bytes(), never, &[]).expect("packs").packings;
        assert_eq!(all.len(), Codec::ALL.len() * Writing::ALL.len(), "what is barred is measured as well");
        let is_barred = |packing: &Packing| packing.codec == Codec::Brotli || packing.writing == Writing::Latin1;
        assert!(all.iter().all(|packing| packing.barred.is_some() == is_barred(packing)), "{all:?}");
    }

    #[test]
    fn raw_characters_are_taken_where_a_python_proves_them_and_the_script_reads_no_text_of_its_own() {
        let interpreters = proof::interpreters();
        if interpreters.is_empty() {
            eprintln!("skipped: no CPython from 3.10 on is on PATH");
            return;
        }
        let lines: String = (0..400).map(|n: u32| format!("x{n} = {}\n", n.wrapping_mul(2_654_435_761))).collect();
        let never = Options { minify: Minify::Never, brotli: false };
        let of = |first: &str| smallest(format!("{first}\n{lines}").as_bytes(), never, &interpreters).expect("packs");
        let plain = of("import os");
        assert_eq!((plain.packed.writing, plain.proven.is_empty()), (Writing::Latin1, false));
        assert_eq!(of("code = open(__file__, 'rb').read()").packed.writing, Writing::Latin1);
        let text = of("code = open(__file__).read()");
        assert_eq!((text.packed.writing, text.proven.is_empty()), (Writing::Base85, false));
        assert!(text.packings.iter().any(|packing| packing.barred == Some(Barred::ReadsItself(1))));
    }
}
