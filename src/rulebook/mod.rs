//! The challenge's limits, as far as rendering needs them; the rulebook itself takes this file's place.

/// The part of the rulebook that manifests and legality statements quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Rulebook {
    pub limits: Limits,
}

/// The numbers of the challenge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    pub artifact_bytes: u64,
    pub train_seconds: f64,
    pub step_tolerance_seconds: f64,
    pub eval_seconds: f64,
    pub seeds: usize,
}

impl Rulebook {
    /// The rulebook that ships with caddie.
    pub fn builtin() -> crate::Result<Rulebook> {
        let limits = Limits {
            artifact_bytes: 16_000_000,
            train_seconds: 600.0,
            step_tolerance_seconds: 0.25,
            eval_seconds: 600.0,
            seeds: 3,
        };
        Ok(Rulebook { limits })
    }

    /// Name and version.
    pub fn id(&self) -> String {
        "parameter-golf-2026/1".to_owned()
    }
}
