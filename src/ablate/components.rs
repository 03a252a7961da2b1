//! The components of a recipe, and what switches each one off.
//!
//! A component with a section of its own is taken out with its section, and one that is a setting is set to false: both follow
//! from the recipe itself, so that a new component needs no line here. The table names what more has to be known for.

mod known;

use caddie_engine::Recipe;
use caddie_engine::recipe::COMES_BACK;
use toml::{Table, Value};

use super::choice::Choice;
use crate::Result;
use known::{KNOWN, KnownComponent, Off};

/// A component of a recipe.
#[derive(Debug, Clone)]
pub struct SwitchedOff {
    pub name: String,
    /// Other names that it goes by.
    pub also: &'static [&'static str],
    /// What the recipe is like without it.
    pub about: String,
    /// The changes that switch it off; else why it cannot be dropped.
    pub off: std::result::Result<Vec<Choice>, String>,
}

impl SwitchedOff {
    /// Tells whether the component goes by that name.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.contains(&name)
    }
}

/// The optional component of a name that the engine puts back.
const PART_OF_ALL: &str = "it is part of every model of this engine";

/// Lists the components that the recipe has, the ones with a name of their own first. One that is off already is left out.
///
/// # Errors
/// When the recipe is not representable as TOML: a bug.
pub fn of(recipe: &Recipe) -> Result<Vec<SwitchedOff>> {
    let toml = recipe.to_toml();
    let table: Table = toml.parse().map_err(|e| caddie_files::Error::Internal(format!("a recipe as TOML: {e}")))?;
    let mut all: Vec<SwitchedOff> = KNOWN.iter().filter_map(|known| known.of(&toml, &table)).collect();
    let named: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    for section in sections(&table, "") {
        let name = section.rsplit('.').next().unwrap_or_default().to_owned();
        // Sections above the components, and the kinds of blocks, whose names are single letters.
        if section.contains('.') && name.len() > 1 && !named.contains(&name.as_str()) && name != "block" {
            let (about, off) = (format!("[{section}] is taken out"), without_section(&toml, &section));
            add(&mut all, SwitchedOff { name, also: &[], about, off });
        }
    }
    for (key, value) in leaves(&table, "") {
        let name = key.rsplit('.').next().unwrap_or_default().to_owned();
        if value.as_bool() == Some(true) && !named.contains(&name.as_str()) {
            let off = tried(&toml, vec![Choice::new(&key, "false")]);
            add(&mut all, SwitchedOff { name, also: &[], about: format!("{key} = false"), off });
        }
    }
    Ok(all)
}

/// Adds a component, or what it is in another block to the one of the same name.
fn add(all: &mut Vec<SwitchedOff>, one: SwitchedOff) {
    match (all.iter_mut().find(|other| other.name == one.name), one) {
        (Some(SwitchedOff { off: Ok(changes), about, .. }), SwitchedOff { off: Ok(more), about: also, .. }) => {
            changes.extend(more);
            about.push_str(", ");
            about.push_str(&also);
        }
        (Some(_), _) => {}
        (None, one) => all.push(one),
    }
}

impl KnownComponent {
    /// The component as this recipe has it; `None` where it has not, or is off already.
    fn of(&self, toml: &str, table: &Table) -> Option<SwitchedOff> {
        let settings = match &self.off {
            Off::Never(reason) => {
                let (name, also, about) = (self.name.to_owned(), self.also, String::new());
                return Some(SwitchedOff { name, also, about, off: Err((*reason).to_owned()) });
            }
            Off::Where((key, value), settings) => {
                let has = |(path, found): &(String, Value)| is(path, key) && found.as_str() == Some(value);
                leaves(table, "").iter().any(has).then_some(*settings)?
            }
            Off::Set(settings) => settings,
        };
        let mut changes = Vec::new();
        for (key, value) in settings {
            let leaves = leaves(table, "").into_iter().filter(|(path, found)| is(path, key) && !same(found, value));
            changes.extend(leaves.map(|(path, _)| Choice::new(path, *value)));
            let taken_out = value.is_empty() && sections(table, "").iter().any(|section| section == key);
            changes.extend(taken_out.then(|| Choice::new(*key, "")));
        }
        // A setting that is left at the value of its default is no component.
        let (name, also, about) = (self.name.to_owned(), self.also, self.about.to_owned());
        (!changes.is_empty()).then(|| SwitchedOff { name, also, about, off: tried(toml, changes) })
    }
}

/// Tells whether a whole key ends in `key`.
fn is(path: &str, key: &str) -> bool {
    path == key || path.strip_suffix(key).is_some_and(|before| before.ends_with('.'))
}

/// Tells whether a value is the one that is written so.
fn same(found: &Value, text: &str) -> bool {
    let number = found.as_float().or_else(|| found.as_integer().map(|whole| whole as f64));
    found.as_str() == Some(text)
        || found.as_bool().is_some_and(|value| value.to_string() == text)
        || number.is_some_and(|number| text.parse() == Ok(number))
}

/// The changes, if the recipe can be with them; else the engine's reason.
fn tried(toml: &str, changes: Vec<Choice>) -> std::result::Result<Vec<Choice>, String> {
    let overrides: Vec<String> = changes.iter().map(Choice::to_string).collect();
    match Recipe::parse(toml, &overrides) {
        Ok(_) => Ok(changes),
        Err(error) => Err(format!("it cannot be dropped by itself: {error}")),
    }
}

fn without_section(toml: &str, section: &str) -> std::result::Result<Vec<Choice>, String> {
    tried(toml, vec![Choice::new(section, "")]).map_err(|reason| match reason.contains(COMES_BACK) {
        true => PART_OF_ALL.to_owned(),
        false => reason,
    })
}

/// Whole names of the sections of a table.
fn sections(table: &Table, prefix: &str) -> Vec<String> {
    let inner = table.iter().filter_map(|(key, value)| Some((format!("{prefix}{key}"), value.as_table()?)));
    inner.flat_map(|(name, table)| std::iter::once(name.clone()).chain(sections(table, &format!("{name}.")))).collect()
}

/// Whole names and values of the settings of a table.
fn leaves(table: &Table, prefix: &str) -> Vec<(String, Value)> {
    let of = |(key, value): (&String, &Value)| match value {
        Value::Table(inner) => leaves(inner, &format!("{prefix}{key}.")),
        _ => vec![(format!("{prefix}{key}"), value.clone())],
    };
    table.iter().flat_map(of).collect()
}

/// Returns the whole name of a setting of the recipe: itself, or the one setting that ends so. A whole name of a part that
/// the recipe does not have yet is left to the engine.
///
/// # Errors
/// When no setting or several end so, with the names near it.
pub fn whole_key(toml: &str, key: &str) -> std::result::Result<String, String> {
    let table: Table = toml.parse().map_err(|e| format!("a recipe as TOML: {e}"))?;
    let names: Vec<String> = leaves(&table, "").into_iter().map(|(name, _)| name).collect();
    let found: Vec<&String> = names.iter().filter(|name| is(name, key)).collect();
    match found[..] {
        [one] => return Ok(one.clone()),
        [] => {}
        _ => {
            let all: Vec<&str> = found.iter().map(|name| name.as_str()).collect();
            return Err(format!("{key}: several keys end so; write one of {}", all.join(", ")));
        }
    }
    // The engine knows the parts that a recipe may have; a value shows whether it knows this one.
    let part_of_engine = |reason: &str| !reason.contains("unknown key") && !reason.contains("does not have this part");
    match Recipe::parse(toml, &[format!("{key}=0")]) {
        Ok(_) => Ok(key.to_owned()),
        Err(error) if part_of_engine(&error.to_string()) => Ok(key.to_owned()),
        Err(error) => {
            let reason = error.to_string();
            let elsewhere = reason.split("write --set ").nth(1).and_then(|rest| rest.split('=').next());
            Err(match elsewhere {
                Some(whole) => format!("{key}: the recipe does not have this part; write its whole key, {whole}"),
                None => format!("unknown key `{key}`; keys of the recipe near it: {}", near(key, &names).join(", ")),
            })
        }
    }
}

/// The three names whose last part is most like that of `key`.
fn near<'a>(key: &str, names: &'a [String]) -> Vec<&'a str> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let likeness = |name: &&String| strsim::jaro_winkler(&last(key), &last(name));
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
    sorted.into_iter().take(3).map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::recipes;

    fn off(recipe: &str, name: &str) -> std::result::Result<Vec<String>, String> {
        let all = of(&recipes::resolve(recipe, &[]).unwrap()).unwrap();
        let one = all.into_iter().find(|one| one.is_called(name)).ok_or("not there")?;
        one.off.map(|changes| changes.iter().map(Choice::to_string).collect())
    }

    #[test]
    fn every_component_of_the_record_stack_can_be_named() {
        let stack = "varlen-ttt-small";
        for (name, changes) in [
            ("ttt", vec!["eval.ttt.ttt_grad_steps=0"]),
            ("unet", vec!["model.unet="]),
            ("skip_gates", vec!["model.unet.skip_gates=false"]),
            ("loops", vec!["model.loops="]),
            ("lanes", vec!["model.lanes="]),
            ("ema", vec!["optim.ema="]),
            ("muon_row_normalize", vec!["optim.muon.muon_row_normalize=false"]),
            ("xsa", vec!["model.block.A.gqa.xsa=false"]),
            ("softcap", vec!["model.head.logit_softcap=1e6"]),
            ("qk_gain", vec!["model.block.A.gqa.qk_gain_init=1"]),
            ("gptq", vec!["quant.matrix.gptq=false", "quant.embedding.gptq=false", "quant.calibration="]),
            ("warmdown", vec!["train.warmdown_frac="]),
            ("packed", vec!["train.loader=sequential", "eval.documents_apart=false"]),
        ] {
            assert_eq!(off(stack, name).unwrap(), changes, "{name}");
        }
    }

    #[test]
    fn a_component_that_cannot_be_dropped_says_so() {
        for (name, said) in [
            ("gqa", "no mixer"),
            ("mlp", "no feed-forward part"),
            ("muon", "only optimizer"),
            ("embedding", "part of every model"),
            ("head", "part of every model"),
            ("quant", "two to eight bits"),
            ("calibration", "part of every model"),
        ] {
            let reason = off("varlen-ttt-small", name).unwrap_err();
            assert!(reason.contains(said), "{name}: {reason}");
        }
        // What is off already is no component of this recipe.
        assert_eq!(off("demo", "ema"), Err("not there".to_owned()));
        assert_eq!(off("demo", "xsa"), Err("not there".to_owned()));
    }

    #[test]
    fn a_component_of_several_blocks_is_dropped_in_all_of_them() {
        let more = [
            "layout=A*3 B",
            "model.block.B.gqa.num_heads=4",
            "model.block.B.gqa.num_kv_heads=2",
            "model.block.B.mlp.mlp_mult=2",
            "model.block.A.ln_scale=true",
            "model.block.B.ln_scale=true",
        ];
        let recipe = recipes::resolve("demo", &more.map(str::to_owned)).unwrap();
        let all = of(&recipe).unwrap();
        let changes = |name: &str| all.iter().find(|one| one.name == name).unwrap().off.clone().unwrap().len();
        assert_eq!((changes("ln_scale"), changes("qk_gain")), (2, 2));
    }

    #[test]
    fn keys_are_found_by_their_ending_and_names_near_an_unknown_one_are_told() {
        let toml = recipes::resolve("demo", &[]).unwrap().to_toml();
        assert_eq!(whole_key(&toml, "matrix_lr").unwrap(), "optim.muon.matrix_lr");
        assert_eq!(whole_key(&toml, "model.loops.num_loops").unwrap(), "model.loops.num_loops");
        for (key, said) in [
            ("matrx_lr", "keys of the recipe near it: optim.muon.matrix_lr"),
            ("bits", "quant.embedding.bits, quant.matrix.bits"),
            ("num_loops", "write its whole key, model.loops.num_loops"),
            ("optim.muon.matrx_lr", "near it: optim.muon.matrix_lr"),
        ] {
            let reason = whole_key(&toml, key).unwrap_err();
            assert!(reason.contains(said), "{key}: {reason}");
        }
    }
}
