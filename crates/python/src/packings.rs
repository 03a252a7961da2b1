//! The ways to pack a script, side by side: minified or as it is, with each codec; the smallest wins.

use super::minify::{self, Minified};
use super::module::{Module, ast};
use super::pack::{self, Codec, Packed};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    pub codec: Codec,
    pub minified: bool,
    /// Length of the packed script, decimal bytes.
    pub bytes: u64,
    /// It needs nothing at run time that the script does without.
    pub allowed: bool,
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
}

impl Smallest {
    /// Tells whether packing was worth it: the result is smaller than its source, which a script of a few lines never
    /// is.
    pub fn is_smaller(&self) -> bool {
        self.packed.script.len() < self.source.len()
    }
}

/// Packs `source` in every way and takes the smallest that is allowed.
///
/// # Errors
/// When no packed script unwraps to its source, or a minifier is demanded and there is none that works.
pub fn smallest(source: &[u8], options: Options) -> Result<Smallest, String> {
    let minified = minified(source, options.minify);
    if let (Err(reason), Minify::Always) = (&minified, options.minify) {
        return Err(format!("it was not minified: {reason}; install python-minifier, or leave --minify always out"));
    }
    let brotli = options.brotli || imports(source, "brotli");
    let allowed = |codec: Codec| codec != Codec::Brotli || brotli;
    let sources = [(true, minified.as_ref().ok().map(|minified| minified.source.as_slice())), (false, Some(source))];
    let mut packings = Vec::new();
    // The best comes with its key: a script of a few lines grows when packed, and one that grows is the last choice.
    let mut best: Option<((bool, u64), Packed, bool)> = None;
    let mut problem = String::new();
    for (minified, source) in sources {
        let Some(source) = source else { continue };
        for codec in Codec::ALL {
            let packed = match pack::pack(source, codec) {
                Ok(packed) => packed,
                Err(reason) => {
                    problem = reason;
                    continue;
                }
            };
            let bytes = packed.script.len() as u64;
            packings.push(Packing { codec, minified, bytes, allowed: allowed(codec) });
            let key = (bytes >= source.len() as u64, bytes);
            if allowed(codec) && best.as_ref().is_none_or(|(least, ..)| key < *least) {
                best = Some((key, packed, minified));
            }
        }
    }
    packings.sort_by_key(|packing| packing.bytes);
    let (_, packed, is_minified) = best.ok_or(problem)?;
    let minifier = minified.as_ref().map(|made| (made.by.clone(), made.annotations_kept)).map_err(Clone::clone);
    let source = minified.ok().filter(|_| is_minified).map_or_else(|| source.to_vec(), |made| made.source);
    Ok(Smallest { packed, source, minified: is_minified, minifier, packings })
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
        let codec = |source: &str, options| smallest(source.as_bytes(), options).expect("packs").packed.codec;
        assert_ne!(codec(&lines, never), Codec::Brotli);
        assert_eq!(codec(&lines, Options { brotli: true, ..never }), Codec::Brotli);
        assert_eq!(codec(&format!("import brotli\n{lines}"), never), Codec::Brotli);
        let perhaps = format!("try:\n    import brotli\nexcept ImportError:\n    brotli = None\n{lines}");
        assert_ne!(codec(&perhaps, never), Codec::Brotli);
        let all = smallest(lines.as_bytes(), never).expect("packs").packings;
        assert_eq!(all.len(), Codec::ALL.len(), "what is not allowed is measured as well");
        assert!(all.iter().all(|packing| packing.allowed == (packing.codec != Codec::Brotli)));
    }
}
