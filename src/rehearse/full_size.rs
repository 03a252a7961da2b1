//! The model at its own sizes, which needs no training: its parameters, and the bits that each class of them takes as the toy
//! run stored it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RehearsalReport;
use super::report::{Stored, Tensor};

/// Sizes at full scale.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FullSize {
    /// Parameters of the model.
    pub parameters: u64,
    /// Bytes of all classes, before the compressor; `None` where a class has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// By number of parameters, most first.
    pub classes: Vec<Class>,
}

/// The tensors of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Class {
    pub name: String,
    pub tensors: usize,
    pub parameters: u64,
    /// Bits of a parameter, scales included, before the compressor; `None` where the toy run saved no tensor for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits: Option<f64>,
}

impl FullSize {
    /// Works them out of a report on the full-sized model and of one on a whole toy run; else says why not.
    pub fn of(full: &RehearsalReport, toy: &RehearsalReport) -> Result<FullSize, String> {
        if let Some(failure) = &full.failure {
            return Err(format!("with its own sizes the script stops before its model is built: {}", failure.message));
        }
        if full.tensors.is_empty() {
            return Err("the script builds no model of torch.nn that could be counted".to_owned());
        }
        let mut classes: BTreeMap<&str, Class> = BTreeMap::new();
        for tensor in &full.tensors {
            let elements = elements(tensor);
            let bits = stored_bits(tensor, toy);
            let fresh = || Class { name: tensor.class.clone(), tensors: 0, parameters: 0, bits: Some(0.0) };
            let class = classes.entry(&tensor.class).or_insert_with(fresh);
            class.tensors += 1;
            class.parameters += elements;
            // For now the sum of all; the mean is taken below.
            class.bits = class.bits.zip(bits).map(|(sum, bits)| sum + bits);
        }
        let mut classes: Vec<Class> = classes.into_values().collect();
        let sum = classes.iter().map(|class| class.bits).try_fold(0.0, |sum, bits| Some(sum + bits?));
        for class in &mut classes {
            class.bits = class.bits.map(|bits| bits / class.parameters.max(1) as f64);
        }
        classes.sort_by_key(|class| std::cmp::Reverse(class.parameters));
        let parameters = classes.iter().map(|class| class.parameters).sum();
        Ok(FullSize { parameters, bytes: sum.map(|bits| (bits / 8.0).ceil() as u64), classes })
    }
}

fn elements(tensor: &Tensor) -> u64 {
    tensor.shape.iter().fold(1, |product: u64, side| product.saturating_mul(*side))
}

/// Bits of a whole tensor: those of its values, and of a scale for each row where the toy run has one.
fn stored_bits(tensor: &Tensor, toy: &RehearsalReport) -> Option<f64> {
    let small = toy.tensors.iter().find(|other| other.name == tensor.name)?;
    let mut parts: Vec<&Stored> = toy.stored.iter().filter(|part| is_of(&part.path, &tensor.name)).collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.elements));
    // Fewer elements than the toy's parameter are its scales: the values are packed into something that is no tensor.
    let (values, beside) = parts.split_first().filter(|(values, _)| values.elements >= elements(small))?;
    let rows = tensor.shape.first().copied().unwrap_or(1);
    let beside = beside.iter().map(|part| part.bits * if part.elements > 1 { rows as f64 } else { 1.0 });
    Some(values.bits * elements(tensor) as f64 + beside.sum::<f64>())
}

/// Tells whether the keys of a stored tensor name this parameter: `quantized.blocks.0.fc.weight`, `blocks.0.fc.weight.scale`.
fn is_of(path: &str, name: &str) -> bool {
    let starts = |rest: &str| rest.is_empty() || rest.starts_with('.') || rest.starts_with('_');
    path.match_indices(name).any(|(at, _)| {
        let before = path.get(..at).is_some_and(|before| before.is_empty() || before.ends_with('.'));
        before && path.get(at + name.len()..).is_some_and(starts)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(tensors: Vec<Tensor>, stored: Vec<Stored>) -> RehearsalReport {
        let text =
            r#"{"status": "final_line", "reached": "final_line", "score_line": null, "failure": null, "seconds": 1.0}"#;
        RehearsalReport { tensors, stored, ..serde_json::from_str(text).unwrap() }
    }

    #[test]
    fn the_bits_of_a_toy_are_those_of_the_whole_model() {
        let tensor = |name: &str, shape: &[u64], class: &str| Tensor {
            name: name.to_owned(),
            shape: shape.to_vec(),
            class: class.to_owned(),
        };
        let stored = |path: &str, elements, bits| Stored { path: path.to_owned(), elements, bits };
        let full = report(
            vec![
                tensor("blocks.1.fc.weight", &[1000, 500], "mlp"),
                tensor("blocks.1.scale", &[500], "small tensors"),
                tensor("blocks.11.fc.weight", &[10, 10], "attention"),
            ],
            Vec::new(),
        );
        let toy = report(
            vec![
                tensor("blocks.1.fc.weight", &[8, 8], "mlp"),
                tensor("blocks.1.scale", &[8], "small tensors"),
                tensor("blocks.11.fc.weight", &[8, 8], "attention"),
            ],
            vec![
                stored("quantized.blocks.1.fc.weight", 64, 6.0),
                stored("scales.blocks.1.fc.weight", 8, 16.0),
                stored("rest.blocks.1.scale", 8, 16.0),
                // The values of this one are bytes.
                stored("scales.blocks.11.fc.weight", 8, 16.0),
            ],
        );
        let sizes = FullSize::of(&full, &toy).unwrap();
        assert_eq!(sizes.parameters, 500_600);
        let mlp = &sizes.classes[0];
        assert_eq!((mlp.name.as_str(), mlp.bits), ("mlp", Some((6.0 * 500_000.0 + 16.0 * 1000.0) / 500_000.0)));
        assert_eq!(sizes.classes[1].bits, Some(16.0));
        assert_eq!((sizes.classes[2].bits, sizes.bytes), (None, None));
        let nothing = report(Vec::new(), Vec::new());
        assert!(FullSize::of(&nothing, &toy).unwrap_err().contains("no model"));
    }
}
