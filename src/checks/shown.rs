//! Numbers of a field as messages print them: bytes and other counts whole and in groups of three digits, seconds to
//! the millisecond, scores with their own digits.

use caddie_files::text::thousands;
use caddie_folder::Field;

/// Most digits after the point that are printed.
const MOST_DIGITS: usize = 10;
/// Largest f64 that is printed as a count.
const COUNTABLE: f64 = 1e15;
/// Most values that a message lists.
const LISTED: usize = 5;

/// Writes `value` with the digits of its unit.
pub(super) fn shown(field: Field, value: f64) -> String {
    with_digits(field, value, digits(field))
}

/// Writes two numbers that differ with as many digits as show the difference.
pub(super) fn apart(field: Field, claimed: f64, measured: f64) -> (String, String) {
    let pair = |digits| (with_digits(field, claimed, digits), with_digits(field, measured, digits));
    let differ = |(a, b): &(String, String)| a != b;
    (digits(field)..=MOST_DIGITS).map(pair).find(differ).unwrap_or_else(|| pair(MOST_DIGITS))
}

/// Writes the logs' values. A number that all of them state is written once.
pub(super) fn said(field: Field, values: &[f64]) -> String {
    match values {
        [one] => format!("the log says {}", shown(field, *one)),
        [first, rest @ ..] if rest.iter().all(|value| value == first) => {
            format!("each of the {} logs says {}", values.len(), shown(field, *first))
        }
        _ => {
            let list: Vec<String> = values.iter().take(LISTED).map(|value| shown(field, *value)).collect();
            let more = if values.len() > LISTED { ", …" } else { "" };
            format!("the logs say {}{more}", list.join(", "))
        }
    }
}

/// Returns the number of digits after the point that have a meaning in the field's unit.
fn digits(field: Field) -> usize {
    match field {
        Field::BytesTotal | Field::BytesModel | Field::BytesCode | Field::ModelParams | Field::Runs => 0,
        Field::ScoredDocuments | Field::ScoredTokens | Field::ScoredBytes => 0,
        Field::Steps => 1,
        Field::TrainSeconds | Field::EvalSeconds | Field::StepAvgMs => 3,
        Field::ValBpb | Field::ValLoss | Field::ValBpbStd | Field::ValLossStd => 8,
        Field::PreQuantValBpb | Field::PreQuantValLoss | Field::FurtherValBpb | Field::FurtherValLoss => 8,
    }
}

fn with_digits(field: Field, value: f64, digits: usize) -> String {
    if !value.is_finite() || value.abs() >= COUNTABLE {
        return format!("{value:e}");
    }
    let text = format!("{value:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (whole, rest) = text.split_once('.').map_or((text, ""), |(whole, rest)| (whole, rest));
    let whole = match whole.parse::<i128>() {
        // Steps are read as they are printed in the logs.
        Ok(count) if field != Field::Steps && count.abs() >= 1_000 => thousands(count),
        _ => whole.to_owned(),
    };
    if rest.is_empty() { whole } else { format!("{whole}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_unit_has_its_digits() {
        assert_eq!(shown(Field::Steps, 5401.0), "5401");
        assert_eq!(shown(Field::Steps, 7_185.333_333), "7185.3");
        assert_eq!(shown(Field::BytesTotal, 15_434_050.333_333_33), "15,434,050");
        assert_eq!(shown(Field::TrainSeconds, 599.003_333_333), "599.003");
        assert_eq!(shown(Field::TrainSeconds, 600.0), "600");
        assert_eq!(shown(Field::ValBpb, 1.256_709_353_3), "1.25670935");
        assert_eq!(shown(Field::ValBpb, -0.5), "-0.5");
        assert_eq!(shown(Field::BytesTotal, 1e308), "1e308");
    }

    #[test]
    fn numbers_that_differ_are_seen_to_differ() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(apart(Field::BytesTotal, 15_815_926.667, 15_815_927.0), pair("15,815,926.7", "15,815,927"));
        assert_eq!(apart(Field::BytesTotal, 15_800_000.0, 15_815_927.0), pair("15,800,000", "15,815,927"));
        assert_eq!(apart(Field::Steps, 7185.0, 7185.0), pair("7185", "7185"));
    }

    #[test]
    fn what_all_logs_say_is_said_once() {
        assert_eq!(said(Field::BytesCode, &[113_364.0; 3]), "each of the 3 logs says 113,364");
        assert_eq!(said(Field::Steps, &[1.0, 2.0]), "the logs say 1, 2");
        assert_eq!(said(Field::TrainSeconds, &[599.0]), "the log says 599");
    }
}
