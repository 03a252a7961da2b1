//! Bounds of a recipe's values, with messages that name the key.
//!
//! A recipe may come out of a stranger's model file, so every size has an upper bound as well: nothing is allocated for a
//! number that no entry of the challenge could have.

use crate::{Error, Result};

/// Upper bound for values that must be below 1.
pub const BELOW_ONE: f64 = 1.0 - f64::EPSILON;

/// Checks `(key, value, lowest, highest)` of the section `path`: both ends are allowed.
pub fn integers(path: &str, values: &[(&str, i64, i64, i64)]) -> Result<()> {
    match values.iter().find(|(_, value, low, high)| value < low || value > high) {
        None => Ok(()),
        Some((key, value, low, high)) => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be between {low} and {high}")))
        }
    }
}

/// Checks numbers in the same way; they must be finite.
pub fn numbers(path: &str, values: &[(&str, f64, f64, f64)]) -> Result<()> {
    match values.iter().find(|(_, value, low, high)| !(low..=high).contains(&value)) {
        None => Ok(()),
        Some((key, value, low, _)) if *low == f64::MIN_POSITIVE && value < low => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be above 0")))
        }
        Some((key, value, _, high)) if *high == f64::MAX && (!value.is_finite()) => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be a finite number")))
        }
        Some((key, value, _, high)) if *high == BELOW_ONE && value >= high => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be below 1")))
        }
        Some((key, value, low, _)) if value < low => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be a number of at least {low}")))
        }
        Some((key, value, _, high)) => {
            Err(Error::Recipe(format!("{path}.{key} is {value}; it must be a number of at most {high}")))
        }
    }
}

/// Tells whether a key is 0, for settings that a resolved recipe leaves out then.
pub fn is_zero(value: &i64) -> bool {
    *value == 0
}

/// Tells whether a key is off, for settings that a resolved recipe leaves out then.
pub fn is_false(value: &bool) -> bool {
    !value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_are_allowed_and_what_is_no_number_is_not() {
        assert!(integers("a", &[("b", 1, 1, 3), ("c", 3, 1, 3)]).is_ok());
        for bad in [0, 4, i64::MIN, i64::MAX] {
            assert_eq!(
                integers("a", &[("b", bad, 1, 3)]).unwrap_err().to_string(),
                format!("recipe: a.b is {bad}; it must be between 1 and 3")
            );
        }
        assert!(numbers("a", &[("b", 0.0, 0.0, 1.0)]).is_ok());
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(numbers("a", &[("b", bad, 0.0, 1.0)]).is_err(), "{bad}");
        }
    }
}
