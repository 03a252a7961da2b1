//! Options of a command line: the numbers that they have where no command of the folder sets them.

use super::super::taint::TaintId;
use super::super::value::{Kind, Object, ObjectId, ObjectRole, Value};
use super::Machine;
use super::arguments::Arguments;

/// Smaller numbers are switches, which a command may have set.
const LEAST: i64 = 2;

impl<'a> Machine<'a, '_> {
    /// `parser.add_argument("--val-tokens", type=int, default=1_000_000)`
    pub(super) fn add_option(&mut self, id: ObjectId, arguments: &Arguments<'a>) {
        let words = arguments.positional.iter().filter_map(Value::text);
        let Some(option) = words.max_by_key(|word| word.len()) else { return };
        let name = arguments.named("dest").and_then(Value::text).unwrap_or(option);
        let name = name.trim_start_matches('-').replace('-', "_");
        let config = self.assumptions.config;
        let default = arguments.named("default").filter(|default| match default.kind {
            Kind::Int(number) => number >= LEAST,
            Kind::Float(_) => true,
            _ => false,
        });
        let kind = match (config.of(&name), config.option(option)) {
            (Some(stated), _) => stated,
            (None, Some(given)) => given.unwrap_or(Kind::Unknown),
            (None, None) => default.map_or(Kind::Unknown, |default| default.kind.clone()),
        };
        let value = Value { kind, taint: TaintId::NONE };
        self.memory.heap.get_mut(id).attributes.insert(name.into(), value);
    }

    /// `parser.parse_args()`: the options as they were declared.
    pub(super) fn parsed_options(&mut self, id: ObjectId) -> Value<'a> {
        let attributes = self.memory.heap.get(id).attributes.clone();
        self.budget.keep(attributes.len());
        self.allocate(Object { attributes, ..Object::new(ObjectRole::Other) })
    }
}
