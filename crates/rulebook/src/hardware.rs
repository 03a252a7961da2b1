//! The machine that a track is timed on, and the names of GPUs in logs and claims.

use serde::Deserialize;

/// The machine on which a track is timed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// GPUs of a run.
    pub gpus: u64,
    /// The word that names the GPU: `H100`.
    pub gpu: String,
    /// The name in messages: `H100 SXM`.
    pub name: String,
    /// Words of other variants: `PCIe`.
    #[serde(default)]
    pub not: Vec<String>,
}

/// GPUs by the words that name them, for reading; the track's own name is added.
const GPUS: [&str; 16] = [
    "H100", "H200", "H800", "H20", "GH200", "B200", "B300", "GB10", "A100", "A10", "L40S", "L4", "V100", "T4",
    "RTX4090", "RTX5090",
];

/// The most operations per second that a GPU can do on matrices without sparsity (FP8 where it has it, else BF16), by
/// NVIDIA's datasheets; the largest variant of each name.
const PEAKS: [(&str, f64); 8] = [
    ("H100", 1.979e15),
    ("H200", 1.979e15),
    ("GH200", 1.979e15),
    ("H800", 1.979e15),
    ("B200", 4.5e15),
    ("B300", 4.5e15),
    ("A100", 3.12e14),
    ("L40S", 7.33e14),
];

/// Returns the most operations per second of a GPU of this name (`H100`); `None` where none is known.
pub fn peak_flops(gpu: &str) -> Option<f64> {
    PEAKS.iter().find(|(name, _)| name.eq_ignore_ascii_case(gpu)).map(|(_, peak)| *peak)
}

impl Hardware {
    /// Tells whether a text names this GPU, no other GPU, and no other variant of it.
    pub fn is_named_by(&self, text: &str) -> bool {
        let own = self.gpu.to_ascii_uppercase();
        let only = gpus(text, Some(self)).into_iter().all(|gpu| gpu == own) && names(text).contains(&own);
        only && !self.not.iter().any(|other| text.contains(other.as_str()))
    }
}

/// Returns the GPUs that a text names: `8xH100-80GB-SXM`, `NVIDIA H100 80GB HBM3`, `1xRTX5090`, `NVIDIA GeForce RTX
/// 5090`. The name of `machine` counts as one, known otherwise or not.
pub fn gpus(text: &str, machine: Option<&Hardware>) -> Vec<String> {
    let own = |name: &String| machine.is_some_and(|machine| machine.gpu.eq_ignore_ascii_case(name));
    names(text).into_iter().filter(|name| GPUS.contains(&name.as_str()) || own(name)).collect()
}

/// Returns the words that may name a GPU, in capitals.
fn names(text: &str) -> Vec<String> {
    let text = text.to_ascii_uppercase().replace("RTX ", "RTX");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    // `8xH100`: a count may stand before the name without a space.
    let names = words.map(|word| word.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('X'));
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_told_apart_in_the_spellings_of_logs_and_claims() {
        let machine = crate::Rulebook::builtin().expect("loads").hardware.expect("a machine");
        for text in ["8xH100-80GB-SXM", "8xH100 SXM (RunPod)", "NVIDIA H100 80GB HBM3", "cuda:0 NVIDIA H100 80GB HBM3"]
        {
            assert!(machine.is_named_by(text), "{text}");
        }
        for text in ["NVIDIA H200", "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "cpu AMD EPYC threads:2", "H1000"] {
            assert!(!machine.is_named_by(text), "{text}");
        }
        assert_eq!(gpus("1xRTX5090", None), gpus("NVIDIA GeForce RTX 5090", None));
        assert_eq!(gpus("2x NVIDIA H100 80GB HBM3, developed on 1x NVIDIA GB10", None), ["H100", "GB10"]);
    }

    #[test]
    fn a_gpu_that_only_the_rulebook_knows_is_read_as_well() {
        let other = Hardware { gpus: 1, gpu: "MI300X".to_owned(), name: "MI300X".to_owned(), not: Vec::new() };
        assert!(gpus("AMD MI300X", None).is_empty());
        assert_eq!(gpus("AMD MI300X, not an H100", Some(&other)), ["MI300X", "H100"]);
        assert!(other.is_named_by("4x AMD MI300X") && !other.is_named_by("AMD MI300X and NVIDIA H100"));
    }
}
