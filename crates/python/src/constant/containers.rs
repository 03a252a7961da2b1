//! Methods of tuples, lists and dictionaries that change nothing.

use super::arguments::{bound, needed};
use super::{Computed, Constant, Failure, Given, Slice, equal, searching};

/// Evaluates `items.name(given)` of a tuple or list.
///
/// # Errors
/// When Python raises, or the method is not evaluated.
pub(super) fn sequence_method(items: &[Constant], name: &str, given: &Given<'_>) -> Computed {
    match name {
        "count" => {
            let wanted = searching::only(given)?;
            Constant::size(items.iter().filter(|item| equal(item, wanted)).count())
        }
        "index" => {
            let [wanted, start, stop] = given.bind(["/", "/start", "/stop"])?;
            let wanted = needed(wanted)?;
            let places = Slice { start: bound(start)?, stop: bound(stop)?, step: None }.places(items.len())?;
            let found = places.places().find(|at| items.get(*at).is_some_and(|item| equal(item, wanted)));
            found.map_or_else(|| Err(Failure::wrong_value("a member that is not there")), Constant::size)
        }
        _ => Err(Failure::method(name)),
    }
}

/// Evaluates `items.name(given)` of a dictionary.
///
/// # Errors
/// When Python raises, or the method is not evaluated.
pub(super) fn dict_method(items: &[(Constant, Constant)], name: &str, given: &Given<'_>) -> Computed {
    match name {
        "get" => {
            let [key, default] = given.bind(["/", "/default"])?;
            let key = needed(key)?;
            let found = items.iter().find(|(known, _)| equal(known, key)).map(|(_, value)| value);
            Ok(found.or(default).cloned().unwrap_or(Constant::None))
        }
        "keys" | "values" | "items" => {
            given.bind::<0>([])?;
            Ok(Constant::List(
                items
                    .iter()
                    .map(|(key, value)| match name {
                        "keys" => key.clone(),
                        "values" => value.clone(),
                        _ => Constant::Tuple([key.clone(), value.clone()].into()),
                    })
                    .collect(),
            ))
        }
        _ => Err(Failure::method(name)),
    }
}
