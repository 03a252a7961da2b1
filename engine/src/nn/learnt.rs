//! A start of the adapters that all documents share, because it was learnt before any of them was seen
//! (docs/spec/algorithms.md#learnt-start).

use std::collections::BTreeMap;

use tch::{Device, Kind, Tensor};

use super::AdapterInit;
use crate::{Error, Result};

/// The learnt matrices of all adapters, one below the other in the adapters' order.
pub struct LearntStart {
    /// `[adapters · rank, in]`.
    pub a: Tensor,
    /// `[Σ out, rank]`; `None` where B starts at 0.
    pub b: Option<Tensor>,
}

impl LearntStart {
    /// Returns another handle to the same values.
    pub fn share(&self) -> LearntStart {
        LearntStart { a: self.a.shallow_clone(), b: self.b.as_ref().map(Tensor::shallow_clone) }
    }

    /// Moves by `share` of the way to `ends`, A and B of other adapters of the same shapes.
    pub fn move_towards(&mut self, ends: &[Tensor; 2], share: f64) {
        let moved = |from: &Tensor, to: &Tensor| from + (to - from) * share;
        self.a = moved(&self.a, &ends[0]);
        self.b = self.b.as_ref().map(|b| moved(b, &ends[1]));
    }

    /// Divides the rows among the adapters `places`, names with their outputs, of the given rank and inputs.
    ///
    /// # Errors
    /// When the matrices are those of other adapters.
    pub fn among(&self, places: &[(String, i64)], rank: i64, inputs: i64) -> Result<PlacedStart<'_>> {
        let outputs: i64 = places.iter().map(|(_, output)| output).sum();
        let shapes = ([places.len() as i64 * rank, inputs], [outputs, rank]);
        if self.a.size() != shapes.0 || self.b.as_ref().is_some_and(|b| b.size() != shapes.1) {
            return Err(Error::Recipe(format!(
                "the learnt start of the adapters is {:?}, and the recipe has adapters of {:?}; ttt_lora_rank and ttt_without must be \
                 those that it was learnt with, or take [eval.ttt.start] out",
                self.a.size(),
                shapes.0
            )));
        }
        let mut first = (0, 0);
        let mut rows = BTreeMap::new();
        for (name, output) in places {
            rows.insert(name.clone(), first);
            first = (first.0 + rank, first.1 + output);
        }
        Ok(PlacedStart { start: self, rows })
    }
}

/// A learnt start with the first rows of each adapter.
pub struct PlacedStart<'a> {
    start: &'a LearntStart,
    rows: BTreeMap<String, (i64, i64)>,
}

impl PlacedStart<'_> {
    fn rows(&self, name: &str) -> (i64, i64) {
        *self.rows.get(name).unwrap_or_else(|| unreachable!("the rows were divided among the same adapters: {name}"))
    }
}

impl AdapterInit for PlacedStart<'_> {
    fn a(&self, docs: &[usize], names: &[String], rank: i64, inputs: i64, device: Device) -> Tensor {
        let of: Vec<Tensor> = names.iter().map(|name| self.start.a.narrow(0, self.rows(name).0, rank)).collect();
        let rows = Tensor::cat(&of, 0).to_device(device);
        rows.unsqueeze(0).expand([docs.len() as i64, names.len() as i64 * rank, inputs], false)
    }

    fn b(&self, docs: &[usize], name: &str, outputs: i64, rank: i64, device: Device) -> Tensor {
        let shape = [docs.len() as i64, outputs, rank];
        match &self.start.b {
            None => Tensor::zeros(shape, (Kind::Float, device)),
            Some(b) => b.narrow(0, self.rows(name).1, outputs).to_device(device).unsqueeze(0).expand(shape, false),
        }
    }
}
