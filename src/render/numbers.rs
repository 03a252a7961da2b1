//! The format of numbers, shared by README.md, submission.json and PULL_REQUEST.md.

/// A score at the precision of the logs' `_exact` lines.
pub fn score(value: f64) -> String {
    format!("{value:.8}")
}

/// A score for a headline.
pub fn headline(value: f64) -> String {
    format!("{value:.4}")
}

/// A score of the training loop's validation, at the four decimals of its log line.
pub fn loop_score(value: f64) -> String {
    format!("{value:.4}")
}

/// A difference between scores, with its sign.
pub fn delta(value: f64) -> String {
    format!("{value:+.6}")
}

/// A difference from a score of the training loop, which has four decimals.
pub fn loop_delta(value: f64) -> String {
    format!("{value:+.4}")
}

/// Seconds at the millisecond of the logs.
pub fn seconds(value: f64) -> String {
    format!("{value:.3}")
}

/// A score as JSON carries it: rounded to the precision that [`score`] prints.
pub fn json_score(value: f64) -> f64 {
    (value * 1e8).round() / 1e8
}

/// A score of the training loop's validation as JSON carries it: rounded as [`loop_score`] prints it.
pub fn json_loop_score(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
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
            assert_eq!(loop_score(json_loop_score(value)), loop_score(value));
        }
    }
}
