//! Grouping of findings that differ only in their run.

use std::collections::HashMap;

use super::Finding;

/// Findings of one rule, code, severity and wording.
#[derive(Debug, Default)]
pub(super) struct Group<'a> {
    /// The findings, at least one, in the report's order.
    pub findings: Vec<&'a Finding>,
}

impl<'a> Group<'a> {
    /// The finding that the others repeat.
    pub fn head(&self) -> Option<&'a Finding> {
        self.findings.first().copied()
    }

    /// Returns the message of the first finding; the others say the same of other runs.
    pub fn message(&self) -> &'a str {
        self.head().map_or("", |finding| finding.message.as_str())
    }

    /// Returns ` ×3` for a group of three, and nothing for a group of one.
    pub fn times(&self) -> String {
        if self.findings.len() > 1 { format!(" ×{}", self.findings.len()) } else { String::new() }
    }
}

/// Groups the findings, in the order of each group's first one.
pub(super) fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut known = HashMap::new();
    for finding in findings {
        let key = (finding.severity, finding.code, finding.rule.as_str(), wording(&finding.message));
        let index = *known.entry(key).or_insert_with(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(index) {
            group.findings.push(finding);
        }
    }
    groups
}

/// Groups the findings, gravest first and among equally grave ones the surest, whatever order they came in.
pub(super) fn by_weight(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut groups = groups(findings);
    groups.sort_by_key(|group| std::cmp::Reverse(group.head().map(|head| (head.severity, head.confidence))));
    groups
}

/// Returns a message without its numbers: `seed #: # bytes are # over the cap`.
fn wording(message: &str) -> String {
    let mut wording = String::new();
    for c in message.chars() {
        let number = c.is_ascii_digit() || (matches!(c, '.' | ',') && wording.ends_with('#'));
        match number {
            true if wording.ends_with('#') => {}
            true => wording.push('#'),
            false => wording.push(c),
        }
    }
    wording
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Code, Confidence, Severity};

    fn finding(message: &str, severity: Severity) -> Finding {
        Finding {
            rule: "repro".into(),
            code: Some(Code::SeedStepsNeLog),
            severity,
            confidence: Confidence::High,
            message: message.into(),
            measured: None,
            claimed: None,
            limit: None,
            evidence: Vec::new(),
            citations: Vec::new(),
            clear: None,
        }
    }

    #[test]
    fn runs_that_differ_in_numbers_only_are_one_group() {
        let findings = [
            finding("seed 0: claimed 13,700 steps, logged 13,701", Severity::Warning),
            finding("seed 0: claimed score", Severity::Warning),
            finding("seed 1337: claimed 9 steps, logged 10.5", Severity::Warning),
            finding("seed 42: claimed 9 steps, logged 10", Severity::Error),
        ];
        let groups = groups(&findings);
        assert_eq!(groups.iter().map(|group| group.findings.len()).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!((groups[0].times(), groups[1].times()), (" ×2".to_owned(), String::new()));
        assert_eq!(groups[0].message(), "seed 0: claimed 13,700 steps, logged 13,701");
    }
}
