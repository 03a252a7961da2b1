//! Search for secrets and private paths in the folder's texts. A secret is never printed whole.

use std::sync::LazyLock;

use regex::Regex;

use super::{Check, Context, Needs};
use crate::report::{Confidence, Finding, Severity};
use caddie_files::FileEntry;

/// Metadata of the check.
pub const CHECK: Check = Check {
    name: "secrets",
    about: "No text of the folder shows an access token or a private home directory.",
    rules: &["pkg-no-secrets-paths"],
    needs: Needs::Nothing,
    run,
};

/// Most bytes of texts that are searched, over the whole folder.
const MAX_BYTES: u64 = 32 << 20;
/// Characters of a secret that a finding shows.
const SHOWN: usize = 6;

/// Tokens whose form no other text has.
static SECRET: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let forms = [
        r"hf_[A-Za-z0-9]{30,}",
        r"sk-(?:proj-|ant-)?[A-Za-z0-9_-]{32,}",
        r"gh[pousr]_[A-Za-z0-9]{36}",
        r"github_pat_[A-Za-z0-9_]{40,}",
        r"AKIA[0-9A-Z]{16}",
        r"xox[baprs]-[0-9A-Za-z-]{20,}",
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    ];
    Regex::new(&format!(r"(?:^|[^A-Za-z0-9_])({})", forms.join("|"))).ok()
});

/// A person's home directory, or a login: `/home/name/`, `/Users/name/`, `C:\Users\name`, `name@host:`.
static PLACE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?:/home/|/Users/|[A-Z]:\\Users\\)([A-Za-z0-9._-]+)[/\\]").ok());

/// Users of rented machines and containers, whose names are private to nobody.
const NOBODY: [&str; 12] = [
    "root",
    "ubuntu",
    "user",
    "runner",
    "azureuser",
    "ec2-user",
    "jovyan",
    "shadeform",
    "nobody",
    "docker",
    "app",
    "username",
];

/// Tells whether a text shows an access token.
pub fn shows_secret(text: &str) -> bool {
    SECRET.as_ref().is_some_and(|secret| secret.is_match(text))
}

fn run(context: &Context<'_>) -> Vec<Finding> {
    let mut secrets = Seen::default();
    let mut places = Seen::default();
    let mut left = MAX_BYTES;
    for file in context.folder.files.iter().filter(|file| is_text(file)) {
        if file.bytes > left.min(caddie_files::MAX_TEXT_BYTES) {
            continue;
        }
        left -= file.bytes;
        let Ok(text) = caddie_files::read_text(&context.folder.path.join(&file.path)) else { continue };
        secrets.look(file, &text, &SECRET, |secret| Some(masked(secret)));
        places.look(file, &text, &PLACE, |user| (!NOBODY.contains(&user)).then(|| user.to_owned()));
    }
    let secret = |what: &str| format!("an access token is published in {what}: revoke it, then remove it");
    let place =
        |what: &str| format!("a private home directory is shown in {what}: write paths relative to the repository");
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(secrets.finding(context, secret).map(|finding| finding.confidence(Confidence::Medium)));
    findings.extend(places.finding(context, place).map(|finding| finding.severity(Severity::Info)));
    findings
}

/// The first place in each file.
#[derive(Default)]
struct Seen(Vec<(camino::Utf8PathBuf, u64, String)>);

impl Seen {
    fn look(&mut self, file: &FileEntry, text: &str, form: &Option<Regex>, shown: impl Fn(&str) -> Option<String>) {
        let Some(form) = form else { return };
        let found = form.captures_iter(text).find_map(|captures| {
            let group = captures.get(1)?;
            Some((group.start(), shown(group.as_str())?))
        });
        if let Some((at, shown)) = found {
            let line = 1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() as u64;
            self.0.push((file.path.clone(), line, shown));
        }
    }

    fn finding(self, context: &Context<'_>, message: impl Fn(&str) -> String) -> Option<Finding> {
        let (first, ..) = self.0.first()?;
        let what = match self.0.len() {
            1 => first.to_string(),
            more => format!("{first} and {} more files", more - 1),
        };
        let finding = context.finding("pkg-no-secrets-paths", message(&what));
        Some(self.0.into_iter().fold(finding, |finding, (file, line, shown)| finding.at(file, Some(line), shown)))
    }
}

fn masked(secret: &str) -> String {
    let start: String = secret.chars().take(SHOWN).collect();
    format!("{start}… ({} characters)", secret.chars().count())
}

fn is_text(file: &FileEntry) -> bool {
    let ends = ["md", "json", "py", "log", "txt", "sh", "tsv", "csv", "toml", "yaml", "yml", "env"];
    file.path.extension().is_some_and(|end| ends.contains(&end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_their_form_and_masked() {
        let form = SECRET.as_ref().expect("compiles");
        let token = format!("hf_{}", "a1B2".repeat(9));
        assert!(form.is_match(&format!("HF_TOKEN={token}")));
        assert_eq!(masked(&token), "hf_a1B… (39 characters)");
        for text in ["hf_hub_download", "task-0123456789012345678901234567890123456789", "self_hf_transfer"] {
            assert!(!form.is_match(text), "{text}");
        }
    }

    #[test]
    fn a_home_names_a_person_or_nobody() {
        let form = PLACE.as_ref().expect("compiles");
        assert_eq!(&form.captures("data_path:/home/ada/golf/data").expect("a home")[1], "ada");
        assert!(form.captures("/workspace/parameter-golf/data").is_none());
    }
}
