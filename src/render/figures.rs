//! The two figures of a records folder's README: the training loss of each seed, and the model's bytes by class of tensor.

use camino::Utf8Path;
use fs_err as fs;

use super::payload::Payload;
use crate::report::chart::{Bar, Series, bars, curves};
use caddie_files::{Error, Result};
use caddie_folder::Curve;

/// File names in the folder.
pub const LOSS: &str = "loss.svg";
pub const BYTES: &str = "bytes.svg";

/// Classes of tensors, each with parts of the names that its tensors have in the field; the first that fits counts.
const CLASSES: [(&str, &[&str]); 5] = [
    ("n-gram tables", &["bigram", "trigram", "ngram", "hash"]),
    ("embedding and head", &["emb", "wte", "lm_head", "head.weight", "unembed"]),
    ("attention", &["attn", "attention", "c_q", "c_k", "c_v", "qkv", "q_proj", "k_proj", "v_proj", "o_proj"]),
    ("MLP", &["mlp", "ffn", "feed_forward", "up_proj", "down_proj", "gate_proj", "fc"]),
    ("norms, gates and scales", &["norm", "scale", "gate", "gain", "lambda", "skip", "mix"]),
];

/// The figures as SVG, `None` where the runs have nothing to draw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FigureFiles {
    pub loss: Option<String>,
    pub bytes: Option<String>,
}

impl FigureFiles {
    /// Draws the logs of the seeds, and the classes of the model that was examined. The same files give the same bytes.
    pub fn of<'a>(logs: impl Iterator<Item = (i64, &'a Utf8Path)>, payload: &Payload) -> FigureFiles {
        let series = logs.map(|(seed, log)| Series {
            name: format!("seed {seed}"),
            points: Curve::read(log).train_loss,
            dashed: false,
        });
        let series: Vec<Series> = series.filter(|series| series.points.len() > 1).collect();
        let loss = (!series.is_empty())
            .then(|| curves("Training loss of each seed", "training loss, nats per token", &series).file());
        FigureFiles { loss, bytes: by_class(&payload.classes) }
    }

    /// Writes the figures that there are.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, dir: &Utf8Path) -> Result<()> {
        for (name, svg) in [(LOSS, &self.loss), (BYTES, &self.bytes)] {
            if let Some(svg) = svg {
                let path = dir.join(name);
                fs::write(&path, svg).map_err(Error::io(&path, "writing"))?;
            }
        }
        Ok(())
    }
}

/// Draws compressed bytes by class, largest first; `None` where nothing is known.
pub fn by_class(classes: &[(&'static str, u64)]) -> Option<String> {
    let total: u64 = classes.iter().map(|(_, bytes)| bytes).sum();
    let part = |(label, bytes): &(&str, u64)| Bar {
        label: (*label).to_owned(),
        amount: *bytes,
        share: *bytes as f64 / total as f64,
    };
    let parts: Vec<Bar> = classes.iter().map(part).collect();
    (total > 0).then(|| bars("Bytes by class of tensor, each tensor compressed alone", &parts).file())
}

/// Adds up the bytes of tensors by class, largest class first. Each tensor is its name and its bytes.
pub fn classes<'a>(tensors: impl Iterator<Item = (&'a str, u64)>) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&'static str, u64)> = Vec::new();
    for (name, bytes) in tensors {
        let class = class_of(name);
        match sums.iter_mut().find(|(known, _)| *known == class) {
            Some((_, sum)) => *sum = sum.saturating_add(bytes),
            None => sums.push((class, bytes)),
        }
    }
    sums.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    sums
}

fn class_of(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let fits = |parts: &&[&str]| parts.iter().any(|part| name.contains(part));
    CLASSES.iter().find(|(_, parts)| fits(parts)).map_or("other", |(class, _)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_classed_by_their_names_and_the_largest_class_comes_first() {
        let tensors = [
            ("tok_emb.weight", 10),
            ("blocks.0.attn.c_q.weight", 20),
            ("blocks.0.mlp.fc.weight", 70),
            ("blocks.1.mlp.proj.weight", 5),
            ("blocks.0.attn_norm.weight", 1),
            ("thing", 2),
        ];
        let found = classes(tensors.into_iter());
        assert_eq!(found, [("MLP", 75), ("attention", 21), ("embedding and head", 10), ("other", 2)]);
        let svg = by_class(&found).expect("a figure");
        assert!(svg.contains("MLP") && svg.contains("69.4 %") && by_class(&found) == Some(svg));
        assert_eq!(by_class(&[]), None);
    }
}
