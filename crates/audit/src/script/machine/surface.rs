//! What a script reaches outside of itself, the seeds it sets, the tables of bytes it makes.

use std::rc::Rc;

use super::super::pieces;
use super::super::taint::{Flags, TaintId};
use super::super::trace::{Action, Outside};
use super::super::value::{HOLE, Kind, Value};
use super::Machine;
use super::calls::Arguments;
use caddie_python::ast;

/// Characters of a command that are kept.
const MAX_GIVEN: usize = 400;
/// Functions that are worked out as tables of bytes at most.
const MAX_TABLES: usize = 32;

/// What a function of a library touches beside its arguments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surface {
    outside: Option<Outside>,
    /// The library whose random numbers begin anew.
    seeds: Option<&'static str>,
}

impl<'a> Machine<'a, '_> {
    /// Notes what a library function of this full name reaches, or which seed it sets.
    pub(super) fn surface(&mut self, name: &str, arguments: &Arguments<'a>) {
        let Surface { outside, seeds } = match self.surfaces.get(name) {
            Some(known) => *known,
            None => {
                let found = Surface { outside: outside(name), seeds: seeds(name) };
                self.surfaces.insert(name.into(), found);
                found
            }
        };
        if let Some(what) = outside {
            let given = self.words(arguments);
            if matches!(what, Outside::Code | Outside::Build) && self.wrote(&given) {
                return;
            }
            self.event(Action::Outside { what, name: name.into(), given });
        }
        if let Some(library) = seeds {
            let value = arguments.positional.first();
            let number = match value.map(|value| &value.kind) {
                Some(Kind::Int(int)) => Some(*int),
                _ => None,
            };
            let data = self.given(arguments);
            self.event(Action::Seed { library: library.into(), value: number, data });
        }
    }

    /// Whether one of the words is a file that the script wrote: what is in it comes from the script.
    fn wrote(&self, words: &str) -> bool {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let written: Vec<String> = self.files.keys().map(|path| name(path)).collect();
        words.split_whitespace().map(name).any(|word| word.contains('.') && written.contains(&word))
    }

    /// Texts among the arguments, lists of them word by word.
    fn words(&self, arguments: &Arguments<'a>) -> Rc<str> {
        let mut words = String::new();
        let mut add = |value: &Value<'a>| {
            if words.len() < MAX_GIVEN {
                if !words.is_empty() {
                    words.push(' ');
                }
                match value.text() {
                    Some(text) => words.extend(text.chars().take(MAX_GIVEN)),
                    None => words.push(HOLE),
                }
            }
        };
        for value in arguments.all() {
            match &value.kind {
                Kind::Object(id) => {
                    let object = self.heap.get(*id);
                    object.items.iter().flatten().chain(object.element.iter()).for_each(&mut add);
                }
                Kind::Tuple(items) => items.iter().for_each(&mut add),
                Kind::Text(_) | Kind::Unknown | Kind::Library(_) | Kind::Method(..) => add(value),
                _ => {}
            }
        }
        words.into()
    }

    /// What is read from a file that the script did not write, as far as that is known.
    pub(super) fn foreign(&mut self, name: &str, arguments: &Arguments<'a>, content: TaintId) -> TaintId {
        let Some(path) = arguments.positional.first() else { return content };
        if self.taints.flags(content).any(Flags::VAL.with(Flags::TRAIN)) {
            return content;
        }
        let by_numpy = name.starts_with("numpy.");
        match path.text() {
            Some(text) if self.files.contains_key(text) => content,
            Some(text) if by_numpy && speaks_of_bytes(text) => {
                self.taints.with(content, Flags::FOREIGN.with(Flags::TABLE_FILE))
            }
            None if !by_numpy => content,
            _ => self.taints.with(content, Flags::FOREIGN),
        }
    }

    /// `arrays["base_bytes"]` of a file that the script did not write.
    pub(super) fn kept_under(&mut self, holder: TaintId, index: &Value<'a>, taint: TaintId) -> TaintId {
        let bytes = index.text().is_some_and(speaks_of_bytes);
        if bytes && self.taints.flags(holder).has(Flags::FOREIGN) {
            self.taints.with(taint, Flags::TABLE_FILE)
        } else {
            taint
        }
    }

    /// A function that gives each token its bytes: what it returns is known to be that.
    pub(super) fn counted(&mut self, definition: &'a ast::StmtFunctionDef, value: Value<'a>) -> Value<'a> {
        let pointer: *const ast::StmtFunctionDef = definition;
        let number = match self.builders.get(&pointer) {
            Some(number) => *number,
            None => {
                let module = self.module;
                let known = self.trace.tables.len() < MAX_TABLES;
                let home = self.outermost.get(&pointer).copied().unwrap_or_default();
                let body = module.bodies().nth(home).unwrap_or_default();
                let table = known.then(|| pieces::table(definition, module.line(definition), body)).flatten();
                let number = table.map(|table| {
                    self.trace.tables.push(table);
                    self.trace.tables.len() - 1
                });
                self.builders.insert(pointer, number);
                number
            }
        };
        let Some(number) = number else { return value };
        self.event(Action::ByteTable { number });
        let (bytes_at, space_at) = self.trace.tables.get(number).map_or((None, None), |t| (t.bytes_at, t.space_at));
        let bit = 1_u32.checked_shl(u32::try_from(number).unwrap_or(u32::MAX)).unwrap_or(0);
        match (bytes_at, &value.kind) {
            (Some(bytes_at), Kind::Tuple(items)) => {
                let items: Vec<Value<'a>> = items.to_vec();
                let items: Vec<Value<'a>> = items
                    .into_iter()
                    .enumerate()
                    .map(|(index, item)| match index {
                        index if index == bytes_at => self.flagged(item, Flags::BYTES, bit),
                        index if Some(index) == space_at => self.flagged(item, Flags::SPACE, 0),
                        _ => item,
                    })
                    .collect();
                Value { kind: Kind::Tuple(items.into()), taint: value.taint }
            }
            (None, _) => self.flagged(value, Flags::BYTES, bit),
            _ => value,
        }
    }

    /// The value, and what an object of it holds, with these flags and from these tables.
    fn flagged(&mut self, value: Value<'a>, flags: Flags, tables: u32) -> Value<'a> {
        let taint = self.taints.change(value.taint, |taint| {
            taint.flags = taint.flags.with(flags);
            taint.tables |= tables;
        });
        if let Some(id) = value.object() {
            self.pour(id, taint);
        }
        Value { kind: value.kind, taint }
    }

    /// A loss that is multiplied with or divided by a number near to the bytes of a token.
    pub(super) fn by_constant(
        &mut self,
        op: ast::Operator,
        left: &Value<'a>,
        right: &Value<'a>,
        of: TaintId,
    ) -> TaintId {
        let (constant, loss) = match (&left.kind, &right.kind, op) {
            (_, Kind::Float(number), ast::Operator::Div) => (*number, left),
            (_, Kind::Float(number), ast::Operator::Mult) if *number > 0.0 => (1.0 / number, left),
            (Kind::Float(number), _, ast::Operator::Mult) if *number > 0.0 => (1.0 / number, right),
            _ => return of,
        };
        let flags = self.taints.flags(loss.taint);
        let near = BYTES_PER_TOKEN.contains(&constant) && (constant - std::f64::consts::E).abs() > 1e-3;
        if near && flags.has(Flags::LOSS.with(Flags::VAL)) && !flags.has(Flags::BYTES) {
            self.taints.with(of, Flags::CONSTANT_BYTES)
        } else {
            of
        }
    }

    /// `tokens[:1000000]`: a constant number of the validation tokens, the rest left out.
    pub(super) fn cut(&mut self, subscript: &'a ast::ExprSubscript, holder: TaintId, taint: TaintId) -> TaintId {
        let ast::Expr::Slice(slice) = &*subscript.slice else { return taint };
        let held = self.taints.get(holder);
        let whole = held.flags.has(Flags::VAL) && held.stamps.is_empty() && !held.flags.any(Flags::LOSS);
        let from_start = match slice.lower.as_deref() {
            None => true,
            Some(ast::Expr::NumberLiteral(_)) => true,
            Some(_) => false,
        };
        let (true, true, Some(upper), None) = (whole, from_start, slice.upper.as_deref(), &slice.step) else {
            return taint;
        };
        if !matches!(upper, ast::Expr::Name(_) | ast::Expr::Attribute(_) | ast::Expr::NumberLiteral(_)) {
            return taint;
        }
        match self.value(upper).kind {
            Kind::Int(upper) if SUBSETS.contains(&upper) => self.taints.with(taint, Flags::CUT),
            _ => taint,
        }
    }
}

/// Whether a file or an array in it is called after the bytes of tokens.
fn speaks_of_bytes(name: &str) -> bool {
    name.to_ascii_lowercase().contains("byte")
}

/// Bytes that a token of the challenge's tokenizers has on average lie between these.
const BYTES_PER_TOKEN: std::ops::RangeInclusive<f64> = 2.1..=4.6;

/// Fewer tokens are a header or a batch, more are the whole split.
const SUBSETS: std::ops::Range<i64> = 50_000..40_000_000;

/// The library whose random numbers begin anew.
fn seeds(name: &str) -> Option<&'static str> {
    match name {
        "torch.manual_seed" | "torch.random.manual_seed" => Some("torch"),
        "torch.cuda.manual_seed" | "torch.cuda.manual_seed_all" => Some("torch.cuda"),
        "random.seed" => Some("random"),
        "numpy.random.seed" | "np.random.seed" => Some("numpy"),
        _ => None,
    }
}

/// Whether a library function reaches outside of the process, and how.
fn outside(name: &str) -> Option<Outside> {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let last = name.rsplit('.').next().unwrap_or(name);
    let parts = ["urllib.parse.", "urllib.error.", "socket.gethostname", "socket.AF_", "torch.hub.get_dir"];
    if starts(&parts) {
        return None;
    }
    if starts(&["requests.", "urllib.", "http.client", "huggingface_hub.", "torch.hub.", "socket.", "wget.", "httpx."])
        || matches!(last, "from_pretrained" | "hf_hub_download" | "snapshot_download" | "urlretrieve" | "urlopen")
        || matches!(name, "datasets.load_dataset" | "kernels.get_kernel" | "kernels.load_kernel")
    {
        return Some(Outside::Network);
    }
    let build = ["cpp_extension.load", "ctypes.CDLL", "ctypes.cdll", "ctypes.PyDLL", "load_inline", "load_library"];
    if build.iter().any(|part| name.contains(part)) {
        return Some(Outside::Build);
    }
    let code = matches!(name, "runpy.run_path" | "importlib.util.spec_from_file_location");
    if code {
        return Some(Outside::Code);
    }
    starts(&["subprocess.", "os.system", "os.popen", "os.exec", "os.spawn"]).then_some(Outside::Process)
}
