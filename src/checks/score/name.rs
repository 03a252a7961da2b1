//! Check of the score that a folder's name ends with: `…_1.1271`, `…_3Seed_1.06141`.

use crate::checks::Context;
use crate::checks::claims::sample;
use crate::report::{Code, Finding, Severity};
use caddie_folder::{Fact, RunLog, Stated};
use caddie_rulebook::stats::mean;

/// Compares the name with the claim and with the logs, the set-aside ones included.
pub(super) fn folder_name(context: &Context<'_>) -> Option<Finding> {
    let name = context.folder.path.file_name()?;
    let named = score_in(name)?;
    let headline = context.folder.metadata().and_then(|metadata| metadata.headline());
    let official = sample(context).values;
    let is = |value: f64| named.agrees(value);
    // A mean in the last digit, and the best of several: names say either.
    if headline.is_some_and(|claim| is(claim.stated.value))
        || official.iter().copied().any(is)
        || mean(&official).is_some_and(|mean| named.near(mean))
    {
        return None;
    }
    let others: Vec<&RunLog> = context.folder.runs.others.iter().map(|other| &other.run).collect();
    let scores: Vec<f64> = others.iter().filter_map(|run| run.val_bpb.value()).collect();
    let claim = headline.map(|claim| format!(", the claim is {}", claim.stated.value)).unwrap_or_default();
    let finding = if scores.iter().copied().chain(mean(&scores)).any(|value| named.near(value)) {
        let message =
            format!("the folder's name gives {}, the score of logs that are not the claimed runs{claim}", named.value);
        context.finding("pkg-headline", message).severity(Severity::Info)
    } else if official.is_empty() && headline.is_none() {
        return None;
    } else {
        let logged = mean(&official).map(|mean| format!(", the mean of the runs {mean:.8}")).unwrap_or_default();
        let message = format!("the folder's name gives {}{claim}{logged}", named.value);
        context.finding("pkg-headline", message).severity(Severity::Warning)
    };
    Some(finding.code(Code::FolderNameNeScore).claimed(named.value).at(".", None, name))
}

/// Returns a score that is the last part of the name.
fn score_in(name: &str) -> Option<Stated> {
    let last = name.rsplit(['_', '-']).next()?;
    let plausible = last.len() >= 5 && last.starts_with(['0', '1', '2']) && last.chars().nth(1) == Some('.');
    Stated::parse(last).filter(|stated| plausible && stated.decimals >= 3 && stated.value > 0.1 && stated.value < 3.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_score_at_the_end_is_one() {
        let read = |name: &str| score_in(name).map(|stated| stated.value);
        assert_eq!(read("2026-04-29_SmearGateBOSFix_3Seed_1.06141"), Some(1.06141));
        assert_eq!(read("2026-03-20_11L_WD04_1.1271"), Some(1.1271));
        for name in ["2026-03-18_LowerLR", "2026-03-20_Int6_WD0.04", "2026-04-01_v1.2", "2026-04-29_1.06141_Extra"] {
            assert_eq!(read(name), None, "{name}");
        }
    }
}
