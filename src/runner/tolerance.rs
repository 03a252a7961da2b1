//! How far two honest machines may be apart on one document.
//!
//! Another kind of processor takes other kernels, which add the same numbers in another order; a GPU computes in bf16 besides
//! (docs/spec/algorithms.md#precision). What that moves was measured with `scripts/rounding/measure.py` (docs/reproduce.md has the
//! tables), and falls with the root of a document's tokens, because most of it is noise of single targets.

use serde::Serialize;

/// What rounding moved: `noise` is the largest difference of a document in nats a token × √tokens, `drift` the largest difference of
/// the mean over all documents, nats a token.
struct Moved {
    noise: f64,
    drift: f64,
}

/// Between kernels for several kinds of CPU, all of which compute in f32.
const F32: Moved = Moved { noise: 2.8e-4, drift: 5.9e-7 };
/// Between f32 and bf16 on one CPU. It stands in for every pair with a GPU, of which none was measured.
const BF16: Moved = Moved { noise: 5.3e-2, drift: 9.3e-5 };
/// Two small models were measured: other ones are allowed ten times as much.
const MARGIN: f64 = 10.0;

/// Largest difference that counts as agreement, of a document or of the mean over several.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum Tolerance {
    /// `--tolerance`: so many nats a token.
    Given { per_token: f64 },
    /// By the two devices: `drift + noise / √tokens` nats a token.
    Devices { pair: DevicePair, noise: f64, drift: f64 },
}

/// What the two devices have in common: where a ledger was made, as its author states it, and where it is recomputed. Those that
/// differ less come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DevicePair {
    /// CPUs of one name, which still may differ in what of it the machine offers.
    SameCpu,
    OtherCpu,
    Gpus,
    CpuAndGpu,
    /// Nobody states where the ledger was made.
    NotStated,
}

impl DevicePair {
    /// The pair of two descriptions as a log's `hardware:` line has them: `cpu AMD EPYC threads:2`, `cuda:0 NVIDIA H200`.
    pub fn of(ledger: Option<&str>, here: &str) -> DevicePair {
        let Some(ledger) = ledger else { return DevicePair::NotStated };
        match (cpu(ledger), cpu(here)) {
            (Some(one), Some(other)) if one == other => DevicePair::SameCpu,
            (Some(_), Some(_)) => DevicePair::OtherCpu,
            (None, None) => DevicePair::Gpus,
            _ => DevicePair::CpuAndGpu,
        }
    }

    /// Whether two machines of this pair were ever compared.
    pub fn is_measured(self) -> bool {
        matches!(self, DevicePair::SameCpu | DevicePair::OtherCpu)
    }

    /// The pair, for a reader.
    pub fn says(self) -> &'static str {
        match self {
            DevicePair::SameCpu => {
                "one kind of CPU, which gives identical nats with the same instructions and any number of threads"
            }
            DevicePair::OtherCpu => "two kinds of CPU, whose kernels add in another order",
            DevicePair::CpuAndGpu => {
                "a CPU against a GPU, which was never measured: the tolerance is that of bf16 against f32 on a CPU"
            }
            DevicePair::Gpus => "GPUs, which were never measured: the tolerance is that of bf16 against f32 on a CPU",
            DevicePair::NotStated => "so the tolerance is the widest, that of bf16 against f32 on a CPU",
        }
    }
}

/// The name of a CPU without its number of threads, which changes nothing; `None` for a GPU.
fn cpu(hardware: &str) -> Option<&str> {
    let name = hardware.strip_prefix("cpu ")?;
    Some(name.split(" threads:").next().unwrap_or(name))
}

impl Tolerance {
    /// The tolerance between two devices.
    pub fn between(pair: DevicePair) -> Tolerance {
        let Moved { noise, drift } = if pair.is_measured() { F32 } else { BF16 };
        Tolerance::Devices { pair, noise: MARGIN * noise, drift: MARGIN * drift }
    }

    /// Nats a token that so many tokens of a document, or of several, may differ by.
    pub fn per_token(&self, tokens: u64) -> f64 {
        match *self {
            Tolerance::Given { per_token } => per_token,
            Tolerance::Devices { noise, drift, .. } => drift + noise / (tokens.max(1) as f64).sqrt(),
        }
    }

    /// The tolerance in words.
    pub fn says(&self) -> String {
        match *self {
            Tolerance::Given { per_token } => format!("{per_token} nats a token (--tolerance)"),
            Tolerance::Devices { noise, drift, .. } => format!("{drift:.1e} + {noise:.1e} / √tokens nats a token"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_paired_by_their_names_and_not_by_their_threads() {
        let here = "cpu AMD EPYC threads:2";
        assert_eq!(DevicePair::of(Some("cpu AMD EPYC threads:16"), here), DevicePair::SameCpu);
        assert_eq!(DevicePair::of(Some("cpu Intel(R) Xeon(R) Platinum 8480C threads:2"), here), DevicePair::OtherCpu);
        assert_eq!(DevicePair::of(Some("cuda:0 NVIDIA H200"), here), DevicePair::CpuAndGpu);
        assert_eq!(DevicePair::of(Some("cuda:0 NVIDIA H200"), "cuda:0 NVIDIA L40S"), DevicePair::Gpus);
        assert_eq!(DevicePair::of(None, here), DevicePair::NotStated);
    }

    #[test]
    fn short_documents_may_differ_more_and_a_gpu_more_than_a_cpu() {
        let [cpu, gpu] = [DevicePair::OtherCpu, DevicePair::CpuAndGpu].map(Tolerance::between);
        assert!((cpu.per_token(4) - MARGIN * (F32.drift + F32.noise / 2.0)).abs() < 1e-12, "{}", cpu.per_token(4));
        assert!(cpu.per_token(100) < cpu.per_token(10) && cpu.per_token(100) < gpu.per_token(100));
        assert_eq!(cpu.per_token(0), cpu.per_token(1));
        assert_eq!(Tolerance::Given { per_token: 0.5 }.per_token(7), 0.5);
        // A record has to be 0.005 nats better: what a GPU is allowed on the mean of 300 documents of FineWeb hides none.
        assert!(gpu.per_token(300 * 1240) < 0.002, "{}", gpu.per_token(300 * 1240));
    }
}
