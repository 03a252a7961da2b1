//! The names of one call, and their changes in the branches of a condition.

use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::script::value::Value;

/// Names that a branch bound, with their values after it; `None`: unbound.
pub(in super::super) type Changes<'a> = FxHashMap<&'a str, Option<Value<'a>>>;

/// Names and their values. While branches are followed their changes are written down: a branch costs as much as it
/// binds, however many names there are.
#[derive(Debug, Default)]
pub(in super::super) struct Names<'a> {
    values: FxHashMap<&'a str, Value<'a>>,
    /// The names that each branch being followed bound, in order, with their values before; innermost branch last.
    branches: Vec<Vec<(&'a str, Option<Value<'a>>)>>,
}

impl<'a> Names<'a> {
    /// No names, with room for about so many.
    pub fn with_capacity(names: usize) -> Names<'a> {
        let values = FxHashMap::with_capacity_and_hasher(names.min(64), FxBuildHasher);
        Names { values, branches: Vec::new() }
    }

    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.values.get(name)
    }

    pub fn contains(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// Binds `name`, or with `None` takes it away.
    pub fn set(&mut self, name: &'a str, value: Option<Value<'a>>) {
        let before = match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(name),
        };
        if let Some(branch) = self.branches.last_mut() {
            branch.push((name, before));
        }
    }

    /// A branch begins.
    pub fn begin(&mut self) {
        self.branches.push(Vec::new());
    }

    /// Ends the innermost branch: the names get back their values before it. Returns the changes that it made.
    pub fn end(&mut self) -> Changes<'a> {
        let mut changes = Changes::default();
        for (name, before) in self.branches.pop().unwrap_or_default().into_iter().rev() {
            let after = match before {
                Some(value) => self.values.insert(name, value),
                None => self.values.remove(name),
            };
            // Backwards: the first that is met is the last that was bound.
            changes.entry(name).or_insert(after);
        }
        changes
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &Value<'a>)> {
        self.values.iter().map(|(name, value)| (*name, value))
    }

    /// The names alone.
    pub fn into_values(self) -> FxHashMap<&'a str, Value<'a>> {
        self.values
    }
}

impl<'a> FromIterator<(&'a str, Value<'a>)> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, Value<'a>)>>(values: I) -> Names<'a> {
        Names { values: values.into_iter().collect(), branches: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::value::Kind;

    fn int(value: Option<&Value<'_>>) -> Option<i64> {
        value.and_then(|value| match value.kind {
            Kind::Int(int) => Some(int),
            _ => None,
        })
    }

    #[test]
    fn a_branch_leaves_the_names_as_they_were_and_says_what_it_made_of_them() {
        let of = |number| Some(Value::of(Kind::Int(number)));
        let mut names: Names<'_> =
            [("kept", Value::of(Kind::Int(1))), ("gone", Value::of(Kind::Int(2)))].into_iter().collect();
        names.begin();
        names.set("new", of(3));
        names.set("kept", of(4));
        names.begin();
        names.set("kept", of(5));
        names.set("gone", None);
        let inner = names.end();
        assert_eq!((int(names.get("kept")), int(names.get("gone"))), (Some(4), Some(2)));
        for (name, value) in inner {
            names.set(name, value);
        }
        let outer = names.end();
        assert_eq!((int(names.get("kept")), int(names.get("gone")), names.contains("new")), (Some(1), Some(2), false));
        let after = |name| outer.get(name).map(|value| int(value.as_ref()));
        assert_eq!((after("kept"), after("gone"), after("new")), (Some(Some(5)), Some(None), Some(Some(3))));
    }
}
