//! Calls of functions of libraries.

use super::effect::{Content, Effect};
use crate::script::machine::Machine;
use crate::script::machine::arguments::Arguments;
use crate::script::taint::TaintId;
use crate::script::trace::{Action, Beyond};
use crate::script::value::{Kind, Object, ObjectRole, Value};

impl<'a> Machine<'a, '_> {
    /// Calls the library function of this full name.
    pub(in crate::script::machine) fn library(&mut self, name: &str, arguments: &Arguments<'a>) -> Value<'a> {
        let known = self.libraries.known(name);
        self.surface(name, &known, arguments);
        let value = self.perform(known.effect, arguments);
        match known.beyond {
            Some(what) => self.beyond(what, name, value, arguments),
            None => value,
        }
    }

    fn perform(&mut self, effect: Effect, arguments: &Arguments<'a>) -> Value<'a> {
        let first = arguments.positional.first();
        match effect {
            Effect::Number => self.number(arguments),
            Effect::Nothing => Value::unknown(TaintId::NONE),
            Effect::Same => first_of(arguments),
            Effect::Prints => self.report(arguments),
            Effect::Environment => self.environment(arguments),
            Effect::Converts(to) => self.converted(to, arguments),
            Effect::Casts if first.is_some_and(|value| value.number().is_some()) => first_of(arguments),
            Effect::Casts => self.number(arguments),
            Effect::Length => self.length(arguments),
            Effect::Range => self.range(arguments),
            Effect::Enumerates => self.enumerated(arguments),
            Effect::Zips => self.zipped(arguments),
            Effect::Lists(order) => self.copied(order, arguments),
            Effect::Buffer if arguments.positional.is_empty() => self.list_from(Vec::new(), false),
            Effect::Buffer => self.number(arguments),
            Effect::Next => self.next_member(arguments),
            Effect::Starts => self.started(arguments),
            Effect::Queue => self.list_from(Vec::new(), false),
            Effect::Maps => self.mapped(arguments),
            Effect::GetsAttribute => match (first, arguments.positional.get(1).and_then(Value::text)) {
                (Some(holder), Some(name)) => self.attribute_named(holder, name, arguments),
                _ => Value::unknown(TaintId::NONE),
            },
            Effect::SetsAttribute => self.set_attribute(arguments),
            Effect::Shuffles => self.shuffled(arguments),
            Effect::Orders { drawn } => {
                let given = self.given(arguments);
                self.order(given, drawn)
            }
            Effect::Dictionary => self.holding(ObjectRole::Dict, arguments),
            Effect::DefaultDictionary => self.default_dictionary(arguments),
            Effect::Rank => self.rank(),
            Effect::Collects => {
                let data = self.given(arguments);
                self.event(Action::Collected { data });
                self.number(arguments)
            }
            Effect::Clock => self.time(),
            Effect::Field => self.field(arguments),
            Effect::Options => self.allocate(Object::new(ObjectRole::Other)),
            Effect::JoinsPath => self.joined(arguments),
            Effect::Globs => self.globbed(arguments),
            Effect::Opens => self.opened(arguments),
            Effect::MemoryFile => self.holding(ObjectRole::File, arguments),
            Effect::Reads(format) => self.loaded(format, arguments),
            Effect::Writes { place } => self.saved(place, arguments),
            Effect::Copies => self.duplicate(arguments),
            Effect::LossObject if arguments.positional.len() < 2 => {
                Value::of(Kind::Library("torch.nn.functional.cross_entropy".into()))
            }
            Effect::LossObject => self.holding(ObjectRole::Module, arguments),
            Effect::Loss => {
                let data = self.given(arguments);
                self.loss(data)
            }
            Effect::Normalizes { sums } => {
                let taint = self.given(arguments);
                Value::unknown(self.normalized(sums, taint))
            }
            Effect::Stacks => self.stacked(arguments),
            Effect::Gathers => match arguments.positional.split_first() {
                Some((receiver, rest)) => {
                    self.gathered(receiver, &Arguments { positional: rest.to_vec(), named: Vec::new() })
                }
                None => Value::unknown(TaintId::NONE),
            },
            Effect::Samples => self.sampled(arguments),
            Effect::Counts => self.tallied(arguments),
            Effect::Chooses => self.smaller(arguments),
            Effect::Finds => self.positions_of(arguments),
            Effect::Selects if arguments.positional.len() == 1 => self.positions_of(arguments),
            Effect::Selects => self.selected_by_condition(arguments),
            Effect::Projects => self.projected(arguments),
            Effect::Attends { masks } => self.attended(masks, arguments),
            Effect::Allocates(Content::IfItLearns) if !learns(arguments) => self.number(arguments),
            Effect::Allocates(content) => self.allocated(content, arguments),
            Effect::Layers => match first {
                Some(list) => list.clone(),
                None => self.new_object(ObjectRole::List, TaintId::NONE),
            },
            Effect::Gradient => self.gradient(arguments),
            Effect::AddsAt => {
                self.table_update(first, arguments.positional.get(1), arguments);
                Value::of(Kind::None)
            }
            Effect::Optimizer => {
                let optimizer = self.allocate(Object::new(ObjectRole::Optimizer));
                if let Some(id) = optimizer.object() {
                    self.own_parameters(id, arguments.get(0, "params"));
                }
                optimizer
            }
            Effect::Loads(Beyond::File) => Value::of(Kind::Library(super::FILE.into())),
            Effect::Loads(_) => Value::of(Kind::Library(super::NATIVE.into())),
            Effect::Layer => self.holding(ObjectRole::Module, arguments),
        }
    }

    /// A number made of the arguments.
    fn number(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let taint = self.given(arguments);
        Value::unknown(self.taints.as_number(taint))
    }

    /// `defaultdict(lambda: [0] * 256)`
    fn default_dictionary(&mut self, arguments: &Arguments<'a>) -> Value<'a> {
        let made = self.new_object(ObjectRole::Dict, TaintId::NONE);
        let called =
            |kind: &Kind<'a>| matches!(kind, Kind::Function(_) | Kind::Lambda(_) | Kind::Class(_) | Kind::Library(_));
        let factory = arguments.positional.first().filter(|factory| called(&factory.kind)).cloned();
        if let (Some(id), Some(factory)) = (made.object(), factory) {
            let missing = self.apply(factory, Arguments::default());
            if matches!(missing.kind, Kind::Object(_)) {
                self.put(id, missing);
            }
        }
        made
    }

    /// Makes an object that holds its arguments.
    fn holding(&mut self, role: ObjectRole, arguments: &Arguments<'a>) -> Value<'a> {
        let content = self.given(arguments);
        self.new_object(role, content)
    }
}

/// The first argument.
pub(super) fn first_of<'a>(arguments: &Arguments<'a>) -> Value<'a> {
    arguments.positional.first().cloned().unwrap_or_else(|| Value::unknown(TaintId::NONE))
}

/// Tells whether a tensor is told to take gradients.
pub(super) fn learns(arguments: &Arguments<'_>) -> bool {
    arguments.named("requires_grad").is_some_and(|value| value.truth() == Some(true))
}
