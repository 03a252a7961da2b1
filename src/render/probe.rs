//! The probe report of a recipe, for the legality statement: what `caddie probe entropy RECIPE --format json` printed.

use camino::Utf8Path;
use serde::Deserialize;

use caddie_files::text::{one_line, thousands};
use caddie_files::{Error, Result};

/// A report that belongs to the recipe of a folder.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeOfRecipe {
    /// The report itself, which the folder holds as probe.json.
    pub json: String,
    pub leak_proven: bool,
    /// One sentence.
    pub says: String,
}

#[derive(Deserialize)]
struct ProbeReport {
    subject: ReportedSubject,
    tries: Vec<ReportedTry>,
    log_e: Option<f64>,
    verdict: String,
}

#[derive(Deserialize)]
struct ReportedSubject {
    kind: String,
    sha256: String,
}

#[derive(Deserialize)]
struct ReportedTry {
    source: String,
    targets: u64,
}

impl ProbeOfRecipe {
    /// Reads a report on the recipe whose text is `toml`.
    ///
    /// # Errors
    /// When it cannot be read, or is one of another recipe or of something else.
    pub fn read(path: &Utf8Path, toml: &str) -> Result<ProbeOfRecipe> {
        let json = caddie_files::read_text(path)?;
        let report: ProbeReport = serde_json::from_str(&json).map_err(|error| {
            Error::unreadable(path, format!("{error}; give what `caddie probe entropy RECIPE --format json` printed"))
        })?;
        if report.subject.kind != "recipe" || report.subject.sha256 != caddie_format::sha256(toml.as_bytes()) {
            return Err(Error::unreadable(
                path,
                "it is a report on another recipe than these runs had; probe the recipe.toml of their folder",
            ));
        }
        let leak_proven = report.verdict == "leak_proven";
        let log_e = report.log_e.map_or("no e-value".to_owned(), |log_e| format!("ln E = {log_e:.1}"));
        let mut sources: Vec<String> = report.tries.iter().map(|tried| one_line(&tried.source)).collect();
        sources.dedup();
        let targets = report.tries.iter().map(|tried| tried.targets).max().unwrap_or(0);
        let verdict = if leak_proven { "a leak is proven" } else { "no evidence of a leak, which proves none absent" };
        let says = format!(
            "Probed at toy size on {} targets of known probability ({}): {log_e}, {verdict} (`probe.json`).",
            thousands(targets),
            sources.join(", "),
        );
        Ok(ProbeOfRecipe { json, leak_proven, says })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_belongs_to_one_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(folder.path()).unwrap().join("probe.json");
        let write = |kind: &str, verdict: &str| {
            let sha256 = caddie_format::sha256(b"name = \"a\"\n");
            let tried = r#"{"source": "iid", "targets": 4096}"#;
            let text = format!(
                r#"{{"subject": {{"kind": "{kind}", "sha256": "{sha256}"}}, "tries": [{tried}, {tried}], "log_e": -12.34, "verdict": "{verdict}"}}"#
            );
            std::fs::write(&path, text).unwrap();
        };
        write("recipe", "no_evidence");
        let read = ProbeOfRecipe::read(&path, "name = \"a\"\n").unwrap();
        assert!(!read.leak_proven);
        assert!(
            read.says.contains("4,096 targets of known probability (iid): ln E = -12.3, no evidence"),
            "{}",
            read.says
        );
        assert!(ProbeOfRecipe::read(&path, "name = \"b\"\n").unwrap_err().to_string().contains("another recipe"));
        write("recipe", "leak_proven");
        assert!(ProbeOfRecipe::read(&path, "name = \"a\"\n").unwrap().leak_proven);
        write("script", "no_evidence");
        assert!(ProbeOfRecipe::read(&path, "name = \"a\"\n").is_err());
        std::fs::write(&path, "{}").unwrap();
        assert!(ProbeOfRecipe::read(&path, "").unwrap_err().to_string().contains("caddie probe entropy RECIPE"));
    }
}
