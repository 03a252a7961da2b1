//! The source of a rule: structured, so that every output can name, date and link it.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One source of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Citation {
    /// A section of the README, with the number of its point: `Submission Process 3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readme: Option<String>,
    /// A file of the challenge's repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Pull requests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pr: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub issue: Vec<u64>,
    /// A source without an address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<String>,
    /// The person who said it, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The date, where that is known; of several pull requests that of the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on: Option<Date>,
    /// The point that the source shows, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shows: Option<String>,
}

impl Citation {
    /// Tells whether it names exactly one kind of source.
    pub fn is_one_source(&self) -> bool {
        let texts = [&self.readme, &self.file, &self.other].into_iter().filter(|text| text.is_some()).count();
        texts + usize::from(!self.pr.is_empty()) + usize::from(!self.issue.is_empty()) == 1
    }

    /// Returns the addresses of the sources, in the challenge's repository.
    pub fn links(&self, repository: &str) -> Vec<String> {
        if repository.is_empty() {
            return Vec::new();
        }
        let numbered = |kind: &str, numbers: &[u64]| -> Vec<String> {
            numbers.iter().map(|number| format!("{repository}/{kind}/{number}")).collect()
        };
        let mut links: Vec<String> = Vec::new();
        links.extend(self.readme.iter().map(|section| format!("{repository}#{}", anchor(section))));
        links.extend(self.file.iter().map(|file| format!("{repository}/blob/main/{file}")));
        links.extend(numbered("pull", &self.pr));
        links.extend(numbered("issues", &self.issue));
        links
    }
}

/// Returns a heading as GitHub anchors it, without the number of a point below it.
fn anchor(section: &str) -> String {
    let heading = section.trim_end_matches(|c: char| c.is_ascii_digit()).trim();
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

impl fmt::Display for Citation {
    /// Writes `PR #1809, #1835 (ineligible by the largest seed; regina-openai, 2026-04-28)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers =
            |numbers: &[u64]| numbers.iter().map(|number| format!("#{number}")).collect::<Vec<_>>().join(", ");
        match self {
            Citation { readme: Some(section), .. } => write!(f, "README, {section}")?,
            Citation { file: Some(file), .. } => write!(f, "the challenge's {file}")?,
            Citation { pr, .. } if !pr.is_empty() => write!(f, "PR {}", numbers(pr))?,
            Citation { issue, .. } if !issue.is_empty() => write!(f, "issue {}", numbers(issue))?,
            Citation { other, .. } => f.write_str(other.as_deref().unwrap_or("unnamed"))?,
        }
        let day = self.on.map(|day| day.to_string());
        let who: Vec<String> = self.by.iter().cloned().chain(day).collect();
        let remarks: Vec<String> =
            self.shows.iter().cloned().chain((!who.is_empty()).then(|| who.join(", "))).collect();
        if remarks.is_empty() { Ok(()) } else { write!(f, " ({})", remarks.join("; ")) }
    }
}

/// The moment at which a rule began or ceased to hold, and the cause.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    pub on: Date,
    pub what: String,
}

impl fmt::Display for Moment {
    /// Writes `2026-04-26 (PR #1809 ruled ineligible by its largest seed)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.on, self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(text: &str) -> Citation {
        toml::from_str(text).expect("a citation")
    }

    #[test]
    fn citations_say_and_lead_to_what_they_cite() {
        let two = citation("pr = [1809, 1835]\nby = \"regina-openai\"\non = \"2026-04-28\"\nshows = \"over the cap\"");
        assert_eq!(two.to_string(), "PR #1809, #1835 (over the cap; regina-openai, 2026-04-28)");
        assert_eq!(two.links("https://x/y"), ["https://x/y/pull/1809", "https://x/y/pull/1835"]);
        let readme = citation("readme = \"Submission Process 3\"");
        assert_eq!(
            (readme.to_string(), readme.links("r")),
            ("README, Submission Process 3".into(), vec!["r#submission-process".into()])
        );
        assert_eq!(citation("readme = \"FAQ\"").links("r"), ["r#faq"]);
        assert_eq!(citation("readme = \"Non-record Submissions\"").links("r"), ["r#non-record-submissions"]);
        assert_eq!(citation("issue = [1017]").links("r"), ["r/issues/1017"]);
        assert_eq!(citation("file = \"train_gpt.py\"").links("r"), ["r/blob/main/train_gpt.py"]);
        assert_eq!(citation("other = \"merged records\"").links("r"), Vec::<String>::new());
        assert_eq!(two.links(""), Vec::<String>::new(), "a challenge without a repository");
    }

    #[test]
    fn a_citation_has_one_source() {
        assert!(citation("pr = [1]").is_one_source());
        assert!(!citation("pr = [1]\nissue = [2]").is_one_source());
        assert!(!citation("by = \"somebody\"").is_one_source());
    }
}
