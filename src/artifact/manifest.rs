//! `manifest.json`: the contents of an artifact, and the part that counts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use caddie_rulebook::{Rulebook, Track};

/// Name of the first member, which describes the others.
pub const MANIFEST: &str = "manifest.json";
/// The script, whose length is the counted code.
pub const TRAIN_GPT: &str = "train_gpt.py";
/// Version of the layout that this module writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The contents of an artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub schema_version: u32,
    /// The submission's name.
    pub name: String,
    pub versions: Versions,
    pub limits: Limits,
    pub counted: Counted,
    /// Every other member, by path.
    pub members: Vec<Member>,
}

/// Versions of the program that wrote the artifact and of the tools behind its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Versions {
    pub caddie: String,
    pub engine: String,
    /// Version of PyTorch in the logs; `None` where they state none.
    pub pytorch: Option<String>,
}

/// The limits that the submission was made under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Identity of the rulebook with these limits.
    pub rulebook: String,
    /// Counted code and compressed model, decimal bytes, inclusive.
    pub bytes_total: u64,
    pub train_seconds: f64,
    /// Seconds by which the last step may overrun `train_seconds`: the loop checks its clock only after each step.
    pub train_tolerance_seconds: f64,
    pub eval_seconds: f64,
    /// Fewest runs of a claim.
    pub seeds: u64,
}

impl Limits {
    /// Returns the limits of a track; of the record track where none is named.
    pub fn of(book: &Rulebook, track: Option<&Track>) -> Limits {
        let limits = book.limits_of(track);
        Limits {
            rulebook: book.id(),
            bytes_total: limits.artifact_bytes,
            train_seconds: limits.train_seconds,
            train_tolerance_seconds: limits.step_tolerance_seconds,
            eval_seconds: limits.eval_seconds,
            seeds: limits.seeds as u64,
        }
    }
}

/// Counted bytes: those of the code and of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// Length of `train_gpt.py`.
    pub bytes_code: u64,
    /// The largest model.
    pub bytes_model_max: u64,
    /// `bytes_code + bytes_model_max`.
    pub bytes_total_max: u64,
    pub runs: Vec<CountedRun>,
}

/// Counted bytes of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountedRun {
    pub seed: i64,
    /// Path of the model among the members.
    pub model: String,
    pub bytes_model: u64,
    pub bytes_total: u64,
}

/// One file of the artifact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Member {
    pub path: String,
    pub bytes: u64,
    /// SHA-256 of the content, in lower-case hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Describes a contradiction in this manifest, or between it and the layout; `None` when there is none.
    ///
    /// Hashes are not compared here, but when the members are read.
    pub fn fault(&self) -> Option<String> {
        if self.schema_version != SCHEMA_VERSION {
            return Some(format!(
                "schema_version is {}, this caddie reads {SCHEMA_VERSION}; use the version that packed it ({})",
                self.schema_version, self.versions.caddie
            ));
        }
        self.members_fault().or_else(|| self.counted_fault())
    }

    fn members_fault(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for Member { path, sha256, .. } in &self.members {
            if let Some(fault) = path_fault(path) {
                return Some(format!("member {path:?} {fault}"));
            }
            if sha256.len() != 64 || !sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
                return Some(format!("member {path:?} states no SHA-256 in lower-case hexadecimal"));
            }
            // Two names that differ in case are one file on some systems.
            if path == MANIFEST || !seen.insert(path.to_lowercase()) {
                return Some(format!("member {path:?} is declared twice"));
            }
        }
        // "a" cannot be a file and a folder at once.
        let inner = seen.iter().find(|path| path.match_indices('/').any(|(at, _)| seen.contains(&path[..at])))?;
        Some(format!("member {inner:?} lies inside another member"))
    }

    fn counted_fault(&self) -> Option<String> {
        let size = |path: &str| self.members.iter().find(|member| member.path == path).map(|member| member.bytes);
        let counted = &self.counted;
        if size(TRAIN_GPT) != Some(counted.bytes_code) {
            return Some(format!("counted.bytes_code {} is not the size of {TRAIN_GPT}", counted.bytes_code));
        }
        for run in &counted.runs {
            if size(&run.model) != Some(run.bytes_model) {
                return Some(format!("counted.bytes_model {} is not the size of {}", run.bytes_model, run.model));
            }
            if counted.bytes_code.checked_add(run.bytes_model) != Some(run.bytes_total) {
                return Some(format!("counted bytes of seed {} do not add up", run.seed));
            }
        }
        let largest = |of: fn(&CountedRun) -> u64| counted.runs.iter().map(of).max();
        let right = largest(|run| run.bytes_model) == Some(counted.bytes_model_max)
            && largest(|run| run.bytes_total) == Some(counted.bytes_total_max);
        (!right).then(|| "the largest counted bytes are not those of any seed".to_owned())
    }
}

/// Explains why `path` cannot be a member, which needs a relative path of plain components in characters that every
/// system takes.
pub fn path_fault(path: &str) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if path.is_empty() || path.len() > 100 {
        Some("has a name of 0 or more than 100 characters")
    } else if path.starts_with('/') {
        Some("has an absolute path")
    } else if path.split('/').any(|part| part == ".." || part == ".") {
        Some("has a path that leaves its folder")
    } else if path.split('/').any(|part| part.is_empty() || !part.chars().all(plain)) {
        Some("has a path with other characters than letters, digits, '.', '_' and '-'")
    } else {
        None
    }
}
