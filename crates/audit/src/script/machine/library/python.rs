//! Effects of Python's own functions on values that are followed: printing, conversions, copies, the environment.

use super::effect::To;
use super::perform::first_of;
use crate::script::machine::Machine;
use crate::script::machine::arguments::Arguments;
use crate::script::taint::{Flags, TaintId};
use crate::script::trace::Action;
use crate::script::value::{HOLE, Kind, LIMIT, ObjectId, Value};
use caddie_python::constant;

/// The depth to which objects within an object are copied.
const MAX_COPIED: usize = 4;

impl<'a> Machine<'a, '_> {
    /// `print(f"val_bpb:{bpb}")`: a line of the log, where scores are summed up in it.
    pub(super) fn report(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let data = self.given(arguments);
        let of_data = self.taints.get(data);
        if !of_data.scores.is_empty() || of_data.beyond != 0 {
            let hole = HOLE.to_string();
            let texts = arguments.positional.iter().map(|value| value.text().unwrap_or(&hole));
            let text = texts.collect::<Vec<_>>().join(" ");
            self.event(Action::Report { text: text.into(), data });
        }
        Value::of(Kind::None)
    }

    /// `os.environ.get("NAME", default)`.
    pub(super) fn environment(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let name = arguments.positional.first().and_then(Value::text).unwrap_or_default().to_owned();
        let default = arguments.positional.get(1).cloned();
        let config = self.assumptions.config;
        let stated = config.text(&name).map(Kind::text);
        // Takes the value that the log prints for a name that is empty by default.
        let empty = default.as_ref().and_then(Value::text).is_some_and(str::is_empty);
        let printed = config.said().filter(|_| empty).and_then(|said| said.value(&name)).map(Kind::text);
        let stated = stated.or(printed);
        let kind = stated.unwrap_or_else(|| default.as_ref().map_or(Kind::None, |value| value.kind.clone()));
        let kind = match config.text(&name) {
            Some(_) => kind,
            None => match self.assumptions.launched(&name) {
                Some(number) => Kind::Int(number),
                None if (default.is_none() || is_switch(&kind)) && self.assumptions.doubts(&name) => Kind::Unknown,
                None => kind,
            },
        };
        let taint = default.map_or(TaintId::NONE, |value| value.taint);
        let taint = self.named_data(taint, &name);
        let taint = if name == "SEED" { self.taints.with(taint, Flags::SEED) } else { taint };
        let of_several = name == "RANK" && self.several_processes();
        let taint = if of_several { self.taints.with(taint, Flags::OF_A_PROCESS) } else { taint };
        Value { kind, taint }
    }

    /// `dist.get_rank()`
    pub(super) fn rank(&mut self) -> Value<'a> {
        let taint = if self.several_processes() { Flags::OF_A_PROCESS } else { Flags::NONE };
        Value::unknown(self.taints.with(TaintId::NONE, taint))
    }

    /// Tells whether several processes run the script, as the log states or the machine of the track has it.
    fn several_processes(&self) -> bool {
        let stated = self.assumptions.config.text("WORLD_SIZE").and_then(|size| size.trim().parse::<i64>().ok());
        stated.or_else(|| self.assumptions.launched("WORLD_SIZE")).is_some_and(|size| size > 1)
    }

    /// `int(text)`
    pub(super) fn converted(&mut self, to: To, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(value) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let taint = self.taint(value);
        let taint = self.taints.as_number(taint);
        let name = match to {
            To::Int => "int",
            To::Float => "float",
            To::Bool => "bool",
            To::Text => "str",
        };
        let kind = match (to, &value.kind) {
            (To::Bool, _) => value.truth().map(Kind::Bool),
            // A text with unknown parts stays one.
            (To::Text, Kind::Text(text)) => Some(Kind::Text(text.clone())),
            // A log prints the truth of a setting that the script reads as a number.
            (To::Int, Kind::Text(text)) if matches!(text.trim(), "True" | "False") => {
                Some(Kind::Int(i64::from(text.trim() == "True")))
            }
            _ => {
                let given = self.constants(arguments);
                given.and_then(|given| constant::builtin(name, &given, LIMIT).ok()).and_then(Kind::of_scalar)
            }
        };
        Value { kind: kind.unwrap_or(Kind::Unknown), taint }
    }

    /// `len(list)`
    pub(super) fn length(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        let known = arguments.positional.first().and_then(|value| match &value.kind {
            Kind::Object(id) => self.memory.heap.get(*id).items.as_ref().map(Vec::len),
            Kind::Tuple(items) => Some(items.len()),
            kind => kind.constant()?.length(),
        });
        let kind = known.and_then(|len| i64::try_from(len).ok()).map_or(Kind::Unknown, Kind::Int);
        Value { kind, taint: self.as_length(taint) }
    }

    /// `next(iterable)`
    pub(super) fn next_member(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let Some(iterable) = arguments.positional.first() else { return Value::unknown(TaintId::NONE) };
        let member = self.members(iterable).each.into_iter().next();
        let member = member.unwrap_or_else(|| Value::unknown(TaintId::NONE));
        Value { taint: self.varying(member.taint), kind: member.kind }
    }

    /// Evaluates `map(function, iterable)`: the result for the last member stands for all.
    pub(in crate::script::machine) fn mapped(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let [function, iterable, ..] = &*arguments.positional else { return Value::unknown(TaintId::NONE) };
        let members = self.members(iterable).each;
        let member = members.into_iter().next_back().unwrap_or_else(|| Value::unknown(TaintId::NONE));
        let each = self.apply(function.clone(), Arguments { positional: vec![member], named: Vec::new() });
        self.list_of(each)
    }

    /// `threading.Thread(target=function, args=(…))`: the function is called where the thread is made, which is before
    /// anybody can wait for it.
    pub(super) fn started(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let called = |kind: &Kind<'a>| matches!(kind, Kind::Function(_) | Kind::Lambda(_) | Kind::Bound(..));
        let target = arguments.get(1, "target").filter(|target| called(&target.kind)).cloned();
        if let Some(target) = target {
            let positional = match arguments.named("args") {
                Some(given) => self.members(&given.clone()).each,
                None => Vec::new(),
            };
            let line = self.events.line;
            self.apply(target, Arguments { positional, named: Vec::new() });
            self.events.line = line;
        }
        Value::unknown(TaintId::NONE)
    }

    /// `setattr(holder, "name", value)`
    pub(super) fn set_attribute(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        if let [holder, name, value, ..] = &*arguments.positional
            && let (Some(id), Some(name)) = (holder.object(), name.text())
        {
            self.write_attribute(id, name, value.clone());
        }
        Value::of(Kind::None)
    }

    /// `time.perf_counter()`
    pub(super) fn time(&mut self) -> Value<'a> {
        Value::unknown(self.taints.with(TaintId::NONE, Flags::CLOCK))
    }

    /// A field of a dataclass is made once: its instances share it.
    pub(super) fn field(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        match (arguments.named("default_factory"), arguments.named("default")) {
            (Some(factory), _) => self.apply(factory.clone(), Arguments::default()),
            (None, Some(default)) => default.clone(),
            (None, None) => Value::unknown(TaintId::NONE),
        }
    }

    /// A copy is another object with the same state.
    pub(super) fn duplicate(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        match arguments.positional.first() {
            Some(Value { kind: Kind::Object(id), taint }) => {
                let copy = self.clone_object(*id, 0);
                Value { kind: Kind::Object(copy), taint: *taint }
            }
            _ => first_of(arguments),
        }
    }

    fn clone_object(&mut self, id: ObjectId, depth: usize) -> ObjectId {
        if !self.step() {
            return id;
        }
        let object = self.memory.heap.get(id);
        self.budget.keep(object.attributes.len() + object.items.as_ref().map_or(0, Vec::len));
        let mut object = object.clone();
        if depth < MAX_COPIED {
            for value in
                object.attributes.values_mut().chain(object.items.iter_mut().flatten()).chain(&mut object.element)
            {
                if let Kind::Object(inner) = value.kind {
                    value.kind = Kind::Object(self.clone_object(inner, depth + 1));
                }
            }
        }
        self.memory.heap.add(object)
    }
}

/// Tells whether a script writes a switch that is off, or one of several ways of doing something, like this.
fn is_switch(kind: &Kind<'_>) -> bool {
    match kind {
        Kind::Text(text) => {
            let text = text.trim();
            let word = text.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
            (word && !matches!(text, "1" | "True" | "true" | "yes" | "on")) || text == "0"
        }
        Kind::Int(0) | Kind::Bool(false) => true,
        _ => false,
    }
}
