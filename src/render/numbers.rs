//! How a number is written: the one place for README.md, submission.json and PULL_REQUEST.md.

/// A score at the precision of the logs' `_exact` lines.
pub fn score(value: f64) -> String {
    format!("{value:.8}")
}

/// A score for a headline.
pub fn headline(value: f64) -> String {
    format!("{value:.4}")
}

/// A difference between scores, with its sign.
pub fn delta(value: f64) -> String {
    format!("{value:+.6}")
}

/// Seconds at the millisecond of the logs.
pub fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

/// A score as JSON carries it: rounded to the precision that [`score`] prints.
pub fn json_score(value: f64) -> f64 {
    (value * 1e8).round() / 1e8
}

/// Seconds as JSON carries them.
pub fn json_seconds(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_text_agree() {
        for value in [1.224_365_704_999, 0.000_715_6, 2.0] {
            assert_eq!(score(json_score(value)), score(value));
        }
    }
}
