//! The interpreter on programs of about five lines: the values of names, their origin, and the events.
//!
//! Each program begins after [`DATA`], so that `val` and `train` are the tokens of the two splits. A row names a
//! variable at the end of the program, its value, and the facts about its origin.

mod branches;
mod calls;
mod classes;
mod constants;
mod learning;
mod library;
mod limits;
mod loops;
mod names;
mod page;

use caddie_python::Module;

use super::{Budget, Doubts, Machine};
use crate::script::config::Config;
use crate::script::trace::{Action, Event};
use crate::script::value::{HOLE, Kind, ObjectRole, Value};

/// The beginning of every program.
const DATA: &str = "import os, time, random, math, json, functools, dataclasses, torch, numpy as np
import torch.nn.functional as F
val = np.fromfile('fineweb_val_0.bin')
train = np.fromfile('fineweb_train_0.bin')
";

/// A name at the end of a program: its value, and the facts about it, in the order in which they are declared.
type Row<'r> = (&'r str, &'r str, &'r str);

/// The result of following a program.
struct Ran {
    /// The names that were asked for: the value of each, and the facts about it.
    holds: Vec<(String, String)>,
    /// Events, as `Score 3`: the kind and the line in the program; `?` under a condition that is not known.
    events: Vec<String>,
    complete: bool,
}

/// A text without the indentation that all its lines have, so that a program can stand within a test.
fn dedented(text: &str) -> String {
    let lines = || text.trim_start_matches('\n').trim_end_matches(' ').lines();
    let indentation = lines().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len());
    let common = indentation.min().unwrap_or(0);
    lines().map(|line| format!("{}\n", line.get(common..).unwrap_or_default())).collect()
}

/// Follows a program with this configuration and so many steps, and asks about the result.
fn followed<R>(program: &str, config: &Config, budget: Budget, ask: impl FnOnce(&mut Machine<'_, '_>) -> R) -> R {
    let module = Module::parse(&format!("{DATA}{}", dedented(program))).expect("Python");
    let doubts = Doubts::None;
    let mut machine = Machine::new(&module, config, &doubts, 8);
    machine.budget = budget;
    machine.run();
    ask(&mut machine)
}

/// Follows a program, and asks for these names.
fn run(program: &str, names: &[&str], config: &Config, budget: Budget) -> Ran {
    followed(program, config, budget, |machine| Ran {
        holds: names.iter().map(|name| machine.describe(name)).collect(),
        events: machine.events.trace.events.iter().filter_map(told).collect(),
        complete: machine.events.trace.complete,
    })
}

/// Follows a program, and compares the values of its names.
fn holds(about: &str, program: &str, rows: &[Row<'_>]) {
    holds_with(&Config::default(), about, program, rows);
}

/// The same with this configuration.
fn holds_with(config: &Config, about: &str, program: &str, rows: &[Row<'_>]) {
    let names: Vec<&str> = rows.iter().map(|(name, ..)| *name).collect();
    let ran = run(program, &names, config, Budget::default());
    assert!(ran.complete, "{about}: not followed to its end");
    for ((name, what, facts), (is, of)) in rows.iter().zip(&ran.holds) {
        assert_eq!((is.as_str(), of.as_str()), (*what, *facts), "{about}: {name} in\n{program}");
    }
}

/// Follows a program, and compares its events.
fn happens(about: &str, program: &str, events: &[&str]) {
    let ran = run(program, &[], &Config::default(), Budget::default());
    assert!(ran.complete, "{about}: not followed to its end");
    assert_eq!(ran.events, events, "{about}: in\n{program}");
}

/// An event in words, without the imports of [`DATA`].
fn told(event: &Event) -> Option<String> {
    let before = u64::try_from(DATA.lines().count()).expect("few lines");
    let line = event.place.line.checked_sub(before).filter(|line| *line > 0)?;
    let kind = match &event.action {
        Action::Update { learner, .. } => format!("Update of {learner:?}"),
        Action::Forward { discarded: true, .. } => "Forward for nothing".to_owned(),
        action => format!("{:?}", action.kind()),
    };
    let unsure = if event.place.uncertain { "?" } else { "" };
    Some(format!("{kind} {line}{unsure}"))
}

impl<'a> Machine<'a, '_> {
    /// Returns the value of a name of the script, and the facts about it.
    fn describe(&mut self, name: &str) -> (String, String) {
        let Some(value) = self.scopes.global(0, name).cloned() else { return ("unbound".to_owned(), String::new()) };
        let taint = self.taint(&value);
        (self.shown(&value), self.taints.flags(taint).names().join(" "))
    }

    /// Writes a value as a reader would: `…` where it is not known, `[*1]` for a list whose members are all like that.
    fn shown(&self, value: &Value<'a>) -> String {
        let all = |values: &[Value<'a>]| values.iter().map(|value| self.shown(value)).collect::<Vec<_>>().join(", ");
        match &value.kind {
            Kind::Unknown => "…".to_owned(),
            Kind::None => "None".to_owned(),
            Kind::Bool(truth) => if *truth { "True" } else { "False" }.to_owned(),
            Kind::Int(int) => int.to_string(),
            Kind::Float(float) => format!("{float:?}"),
            Kind::Text(text) => format!("'{}'", text.replace(HOLE, "…")),
            Kind::Tuple(items) => format!("({})", all(items)),
            Kind::Range { len, .. } => format!("range of {}", len.map_or("…".to_owned(), |len| len.to_string())),
            Kind::Class(id) => {
                format!("class {}", self.classes.get(*id).map_or("", |class| class.definition.name.as_str()))
            }
            Kind::Function(function) | Kind::Bound(function, _) => format!("function {}", function.name),
            Kind::Lambda(_) => "lambda".to_owned(),
            Kind::Library(name) => name.to_string(),
            Kind::Method(_, name) => format!("method {name}"),
            Kind::Object(id) => {
                let object = self.memory.heap.get(*id);
                match (object.role, &object.items, &object.element) {
                    (ObjectRole::List, Some(items), _) => format!("[{}]", all(items)),
                    (ObjectRole::List, None, Some(element)) => format!("[*{}]", self.shown(element)),
                    (ObjectRole::List, None, None) => "[]".to_owned(),
                    (ObjectRole::Dict, _, element) => {
                        let mut entries: Vec<String> = object
                            .attributes
                            .iter()
                            .map(|(key, value)| format!("{key}: {}", self.shown(value)))
                            .collect();
                        entries.sort();
                        entries.extend(element.as_ref().map(|element| format!("*{}", self.shown(element))));
                        format!("{{{}}}", entries.join(", "))
                    }
                    (ObjectRole::Instance, ..) => {
                        let class = object.class.and_then(|class| self.classes.get(class));
                        class.map_or("instance".to_owned(), |class| format!("a {}", class.definition.name))
                    }
                    (role, ..) => format!("{role:?}").to_lowercase(),
                }
            }
        }
    }
}
