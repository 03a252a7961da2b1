//! The arguments of a call.

use super::{Constant, Failure};

/// The arguments that a call gives.
#[derive(Debug, Clone, Default)]
pub struct Given<'n> {
    pub positional: Vec<Constant>,
    pub named: Vec<(&'n str, Constant)>,
}

impl Given<'_> {
    /// Makes the arguments of a call without names.
    pub fn positional(positional: impl Into<Vec<Constant>>) -> Self {
        Given { positional: positional.into(), named: Vec::new() }
    }

    /// Binds the arguments to parameters. One that begins with `/` takes no argument by its name.
    ///
    /// # Errors
    /// Where Python raises: an argument too many, one that no parameter has the name of, or two for one parameter.
    pub(super) fn bind<const N: usize>(&self, parameters: [&str; N]) -> Result<[Option<&Constant>; N], Failure> {
        if self.positional.len() > N {
            return Err(Failure::wrong_type("an argument too many"));
        }
        let mut bound = [None; N];
        for (slot, value) in bound.iter_mut().zip(&self.positional) {
            *slot = Some(value);
        }
        for (name, value) in &self.named {
            let slot = parameters.iter().position(|known| known == name).and_then(|at| bound.get_mut(at));
            match slot {
                Some(slot @ None) => *slot = Some(value),
                _ => return Err(Failure::wrong_type(format!("an argument `{name}` that is not taken"))),
            }
        }
        Ok(bound)
    }
}

/// Returns the argument.
pub(super) fn needed(argument: Option<&Constant>) -> Result<&Constant, Failure> {
    argument.ok_or_else(|| Failure::wrong_type("an argument is missing"))
}

/// Returns the integer that an argument is, if it is given.
pub(super) fn int(argument: Option<&Constant>) -> Result<Option<i64>, Failure> {
    let int = |value: &Constant| value.int().ok_or_else(|| Failure::wrong_type("an argument that is no integer"));
    argument.map(int).transpose()
}

/// Returns the integer that an argument is, if it is given and not `None`.
pub(super) fn bound(argument: Option<&Constant>) -> Result<Option<i64>, Failure> {
    int(argument.filter(|value| !matches!(value, Constant::None)))
}

/// Returns the text that an argument is, if it is given and not `None`.
pub(super) fn text(argument: Option<&Constant>) -> Result<Option<&str>, Failure> {
    match argument {
        None | Some(Constant::None) => Ok(None),
        Some(Constant::Text(text)) => Ok(Some(text)),
        Some(_) => Err(Failure::wrong_type("an argument that is no text")),
    }
}

/// Returns the bytes that an argument is, if it is given and not `None`.
pub(super) fn bytes(argument: Option<&Constant>) -> Result<Option<&[u8]>, Failure> {
    match argument {
        None | Some(Constant::None) => Ok(None),
        Some(Constant::Bytes(bytes)) => Ok(Some(bytes)),
        Some(_) => Err(Failure::wrong_type("an argument that is no bytes")),
    }
}
