//! Findings that a working folder sets aside, each with a reason and a day on which that ends.

use jiff::civil::Date;
use serde::Deserialize;

use crate::report::{Finding, FolderReport, Severity};

/// One table `[[ignore]]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// A rule or a code, as reports print them.
    pub rule: String,
    /// The reason, which the report shows.
    pub reason: String,
    /// The last day on which the finding is set aside: `YYYY-MM-DD`, in quotes or as a date.
    until: toml::Value,
    /// The name of the one folder that is meant; without it, every folder.
    pub folder: Option<String>,
}

impl Ignore {
    /// Returns the last day.
    pub fn until(&self) -> Option<Date> {
        let text = self.until.as_str().map_or_else(|| self.until.to_string(), str::to_owned);
        text.trim().parse().ok()
    }

    /// Refuses a table that sets aside without a reason or an end.
    pub(super) fn check(&self, index: usize) -> Result<(), String> {
        if self.reason.trim().is_empty() {
            return Err(format!("ignore[{index}].reason: say why; the report shows it"));
        }
        let until = self.until().map(|_| ());
        until.ok_or_else(|| {
            format!("ignore[{index}].until: write the last day as YYYY-MM-DD, for example \"2026-12-31\"")
        })
    }

    fn is_of(&self, folder: &FolderReport) -> bool {
        self.folder.as_deref().is_none_or(|name| folder.path.file_name() == Some(name))
    }

    fn is_of_finding(&self, finding: &Finding) -> bool {
        let same = |name: &str| self.rule.eq_ignore_ascii_case(name);
        same(&finding.rule) || finding.code.is_some_and(|code| same(code.name()))
    }
}

/// Makes the findings that are set aside on `today` information, with the reason in their message, so that no reader of
/// the report misses them. Returns the number of findings.
pub fn set_aside(report: &mut FolderReport, ignores: &[Ignore], today: Date) -> usize {
    let holds = |ignore: &&Ignore| ignore.until().is_some_and(|until| today <= until);
    let ignores: Vec<&Ignore> = ignores.iter().filter(holds).filter(|ignore| ignore.is_of(report)).collect();
    let mut count = 0;
    for finding in report.findings.iter_mut().filter(|finding| finding.severity > Severity::Info) {
        let Some(ignore) = ignores.iter().find(|ignore| ignore.is_of_finding(finding)) else { continue };
        let until = ignore.until().map(|until| until.to_string()).unwrap_or_default();
        finding.message += &format!("; ignored until {until}: {}", ignore.reason.trim());
        finding.severity = Severity::Info;
        count += 1;
    }
    report.judge_again();
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Code, Verdict};
    use caddie_rulebook::Rulebook;

    fn report() -> FolderReport {
        let book = Rulebook::builtin().expect("loads");
        let finding = |rule: &str| caddie_rulebook::finding_on(&book, rule, "too long");
        let findings = vec![finding("time-train-600").code(Code::TrainTimeOver600s), finding("repro")];
        FolderReport::of_findings("records/x/2026-05-01_Mine".into(), 16_000_000, findings)
    }

    fn ignore(text: &str) -> Ignore {
        toml::from_str(text).expect("an ignore")
    }

    #[test]
    fn a_finding_is_set_aside_until_its_day_and_still_shown_with_the_reason() {
        let day: Date = "2026-05-10".parse().expect("a date");
        let text = "rule = \"TRAIN_TIME_OVER_600S\"\nreason = \"rerun is booked\"\nuntil = ";
        for until in ["\"2026-05-10\"", "2026-05-10"] {
            let mut report = report();
            assert_eq!(set_aside(&mut report, &[ignore(&format!("{text}{until}"))], day), 1);
            let aside = report.findings.last().expect("a finding");
            assert_eq!((aside.severity, report.verdict), (Severity::Info, Verdict::Warn), "the other one stays");
            assert_eq!(aside.message, "too long; ignored until 2026-05-10: rerun is booked");
            let mut late = self::report();
            assert_eq!(set_aside(&mut late, &[ignore(&format!("{text}{until}"))], day.tomorrow().expect("a day")), 0);
        }
        let mut other = report();
        let of_another = ignore(&format!("{text}\"2026-05-10\"\nfolder = \"2026-05-01_Theirs\""));
        assert_eq!(set_aside(&mut other, &[of_another], day), 0);
    }

    #[test]
    fn neither_reason_nor_end_may_lack() {
        assert!(toml::from_str::<Ignore>("rule = \"repro\"\nreason = \"x\"").is_err());
        let said = |text: &str| ignore(text).check(0).expect_err("refused");
        assert!(said("rule = \"repro\"\nreason = \" \"\nuntil = 2026-05-10").starts_with("ignore[0].reason"));
        assert!(said("rule = \"repro\"\nreason = \"x\"\nuntil = \"soon\"").starts_with("ignore[0].until"));
    }
}
