//! Places in a sequence: indices, slices and ranges, apart from the members that lie there.

use super::{Computed, Constant, Failure, equal};

/// `start, start + step, …`: the members of a range, or the places that a slice selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progression {
    pub start: i64,
    pub step: i64,
    pub len: u64,
}

impl Progression {
    /// Evaluates `range(start, stop, step)`.
    ///
    /// # Errors
    /// When the step is 0.
    pub fn range(start: i64, stop: i64, step: i64) -> Result<Progression, Failure> {
        let span = if step > 0 { i128::from(stop) - i128::from(start) } else { i128::from(start) - i128::from(stop) };
        let span = u64::try_from(span.max(0)).map_err(|_| Failure::TooLarge)?;
        match step {
            0 => Err(Failure::wrong_value("a step of zero")),
            _ => Ok(Progression { start, step, len: span.div_ceil(step.unsigned_abs()) }),
        }
    }

    /// Evaluates `range` with one to three arguments.
    ///
    /// # Errors
    /// When they are of another number, or the step is 0.
    pub fn of_arguments(arguments: &[i64]) -> Result<Progression, Failure> {
        match *arguments {
            [stop] => Progression::range(0, stop, 1),
            [start, stop] => Progression::range(start, stop, 1),
            [start, stop, step] => Progression::range(start, stop, step),
            _ => Err(Failure::wrong_type("a range with other than one to three arguments")),
        }
    }

    /// Returns the members in order.
    pub fn members(self) -> impl DoubleEndedIterator<Item = i64> {
        // No member lies beyond the bounds of the range, so none overflows.
        (0..self.len).map(move |at| self.start.wrapping_add(self.step.wrapping_mul(at as i64)))
    }

    /// Returns the places of a sequence, in order.
    pub fn places(self) -> impl DoubleEndedIterator<Item = usize> {
        self.members().map(|at| usize::try_from(at).unwrap_or(usize::MAX))
    }
}

/// `start:stop:step`; what is left out is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Slice {
    pub start: Option<i64>,
    pub stop: Option<i64>,
    pub step: Option<i64>,
}

impl Slice {
    /// Makes a slice of its bounds, which are integers or `None`.
    ///
    /// # Errors
    /// When one is of another type.
    pub fn of(bounds: [Option<&Constant>; 3]) -> Result<Slice, Failure> {
        let [start, stop, step] = bounds.map(super::arguments::bound);
        Ok(Slice { start: start?, stop: stop?, step: step? })
    }

    /// Returns the places that the slice selects of a sequence of `len` members, all of them below `len`.
    ///
    /// # Errors
    /// When the step is 0.
    pub fn places(self, len: usize) -> Result<Progression, Failure> {
        let len = i64::try_from(len).map_err(|_| Failure::TooLarge)?;
        let step = self.step.unwrap_or(1);
        // A slice that runs backwards may stop before the first member.
        let (low, high) = if step < 0 { (-1, len - 1) } else { (0, len) };
        let clamped = |bound: i64| (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(low, high);
        let (first, last) = if step < 0 { (high, low) } else { (low, high) };
        Progression::range(self.start.map_or(first, clamped), self.stop.map_or(last, clamped), step)
    }

    /// Returns the part of the members that the slice selects.
    ///
    /// # Errors
    /// When the step is 0.
    pub fn part<T: Clone>(self, members: &[T]) -> Result<Vec<T>, Failure> {
        let places = self.places(members.len())?;
        let len = usize::try_from(places.len).map_err(|_| Failure::TooLarge)?;
        if let (1, Ok(start)) = (places.step, usize::try_from(places.start)) {
            return Ok(members.get(start..start.saturating_add(len)).unwrap_or_default().to_vec());
        }
        Ok(places.places().filter_map(|at| members.get(at).cloned()).collect())
    }

    /// Evaluates `text[start:stop:step]`, which counts characters.
    ///
    /// # Errors
    /// As [`Slice::part`].
    pub fn of_text(self, text: &str) -> Result<String, Failure> {
        if text.is_ascii() {
            return Ok(String::from_utf8(self.part(text.as_bytes())?).unwrap_or_default());
        }
        let characters: Vec<char> = text.chars().collect();
        Ok(self.part(&characters)?.into_iter().collect())
    }

    /// Evaluates `value[start:stop:step]`.
    ///
    /// # Errors
    /// When the value is no sequence, or the step is 0.
    pub fn of_constant(self, value: &Constant) -> Computed {
        Ok(match value {
            Constant::Text(text) => Constant::Text(self.of_text(text)?.into()),
            Constant::Bytes(bytes) => Constant::Bytes(self.part(bytes)?.into()),
            Constant::Tuple(items) => Constant::Tuple(self.part(items)?.into()),
            Constant::List(items) => Constant::List(self.part(items)?.into()),
            _ => return Err(Failure::wrong_type("a slice of something that is no sequence")),
        })
    }
}

/// Returns the place of an index in a sequence of `len` members: a negative one counts from the end.
///
/// # Errors
/// When it is out of range.
pub fn position(index: i64, len: usize) -> Result<usize, Failure> {
    let wide = i128::from(index);
    let from = if wide < 0 { wide + len as i128 } else { wide };
    let place = usize::try_from(from).ok().filter(|place| *place < len);
    place.ok_or_else(|| Failure::raises("IndexError", "an index out of range"))
}

/// Evaluates `value[index]`.
///
/// # Errors
/// When there is no such member or entry.
pub fn subscript(value: &Constant, index: &Constant) -> Computed {
    if let Constant::Dict(items) = value {
        let found = items.iter().find(|(key, _)| equal(key, index));
        let missing = || Failure::raises("KeyError", "a key that is not in the dict");
        return found.map(|(_, value)| value.clone()).ok_or_else(missing);
    }
    let len = value.length().ok_or_else(|| Failure::wrong_type("an index into something that has no members"))?;
    let index = index.int().ok_or_else(|| Failure::wrong_type("an index that is no integer"))?;
    let place = position(index, len)?;
    let found = match value {
        Constant::Text(text) => text.chars().nth(place).map(|c| Constant::text(c.encode_utf8(&mut [0; 4]))),
        Constant::Bytes(bytes) => bytes.get(place).map(|byte| Constant::Int(i64::from(*byte))),
        Constant::Tuple(items) | Constant::List(items) => items.get(place).cloned(),
        _ => None,
    };
    found.ok_or_else(|| Failure::raises("IndexError", "an index out of range"))
}
