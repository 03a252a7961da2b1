//! Notes the things outside of the script that a library call reaches, and the seeds that it sets.

use std::rc::Rc;

use super::Known;
use crate::script::machine::Machine;
use crate::script::machine::arguments::Arguments;
use crate::script::trace::{Action, Outside};
use crate::script::value::{HOLE, Kind, Value};

/// Characters of a command that are kept.
const MAX_GIVEN: usize = 400;

impl<'a> Machine<'a, '_> {
    /// Notes the thing outside that a library function of this full name reaches, or the seed that it sets.
    pub(super) fn surface(&mut self, name: &str, known: &Known, arguments: &Arguments<'a>) {
        if let Some(what) = known.outside {
            let given = self.words(arguments);
            if matches!(what, Outside::Code | Outside::Build) && self.wrote(&given) {
                return;
            }
            self.event(Action::Outside { what, name: name.into(), given });
        }
        if let Some(library) = known.seeds {
            let number = match arguments.positional.first().map(|value| &value.kind) {
                Some(Kind::Int(int)) => Some(*int),
                _ => None,
            };
            let data = self.given(arguments);
            self.event(Action::Seed { library: library.into(), value: number, data });
        }
    }

    /// Tells whether one of the words is a file that the script wrote: its contents come from the script.
    fn wrote(&self, words: &str) -> bool {
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let written: Vec<String> = self.memory.files.keys().map(|path| name(path)).collect();
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
                    let object = self.memory.heap.get(*id);
                    object.items.iter().flatten().chain(object.element.iter()).for_each(&mut add);
                }
                Kind::Tuple(items) => items.iter().for_each(&mut add),
                Kind::Text(_) | Kind::Unknown | Kind::Library(_) | Kind::Method(..) => add(value),
                _ => {}
            }
        }
        words.into()
    }
}
