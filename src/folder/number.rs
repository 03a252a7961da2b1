//! A number as a file states it: the value, and how many digits it commits to.

use serde::Serialize;

/// Digits after the point that are compared at most: beyond this, f64 means of the same values differ by summation order.
const MAX_DECIMALS: u32 = 10;

/// A stated number with its precision, so that a measured value can be compared at the precision of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stated {
    pub value: f64,
    /// Digits after the decimal point, exponent applied, at most 10.
    pub decimals: u32,
    /// Marked as approximate (`~`, `≈`, `about`): a reader is told not to expect the last digit.
    pub approximate: bool,
}

impl Stated {
    /// Parses the whole of `text` as one number: `1.2244`, `15,863,489`, `~1.18`, `1.5e7`, `600.0s`, `**1.07**`.
    ///
    /// Returns `None` for anything else, also for a number with a unit other than `s`, because a guess at a unit would
    /// turn into a false finding.
    pub fn parse(text: &str) -> Option<Stated> {
        let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | '_'));
        let approximate = bare.starts_with(['~', '≈']);
        let bare = bare.trim_start_matches(['~', '≈', ' ']);
        let bare = bare.strip_suffix('s').map_or(bare, str::trim_end);
        let digits: String = if has_thousands_separators(bare) { bare.replace(',', "") } else { bare.to_owned() };
        if !digits.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
            return None;
        }
        let value: f64 = digits.parse().ok()?;
        value.is_finite().then(|| Stated { value, decimals: decimals_of(&digits), approximate })
    }

    /// Whether `measured`, rounded or cut off at the stated precision, is what is stated.
    pub fn agrees(&self, measured: f64) -> bool {
        let unit = 10f64.powi(-(self.decimals as i32));
        let slack = unit * 1e-6 + 1e-12;
        let rounded = (self.value - measured).abs() <= unit / 2.0 + slack;
        let cut_off = measured >= self.value - slack && measured < self.value + unit - slack;
        rounded || cut_off
    }
}

/// `15,863,489` but not `1,5`: groups of three digits after the first comma.
fn has_thousands_separators(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or(text);
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    let mut rest = groups.peekable();
    rest.peek().is_some()
        && (1..=3).contains(&first.trim_start_matches(['-', '+']).len())
        && rest.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
}

fn decimals_of(digits: &str) -> u32 {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let after_point = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
    let exponent: i64 = exponent.parse().unwrap_or(0);
    (after_point - exponent).clamp(0, i64::from(MAX_DECIMALS)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (f64, u32) {
        Stated::parse(text).map(|stated| (stated.value, stated.decimals)).expect("a number")
    }

    #[test]
    fn reads_the_forms_that_tables_use() {
        assert_eq!(parse("1.07280"), (1.0728, 5));
        assert_eq!(parse(" **15,863,489** "), (15_863_489.0, 0));
        assert_eq!(parse("600.038 s"), (600.038, 3));
        assert_eq!(parse("1.5e7"), (15_000_000.0, 0));
        assert!(Stated::parse("~1.18").is_some_and(|stated| stated.approximate));
        for not_a_number in ["", "-", "n/a", "15.1MB", "1,5", "NaN", "inf", "1.07 ± 0.01", "1e999"] {
            assert_eq!(Stated::parse(not_a_number), None, "{not_a_number}");
        }
    }

    #[test]
    fn compares_at_the_precision_of_the_claim() {
        let claim = |text: &str| Stated::parse(text).expect("a number");
        assert!(claim("1.2244").agrees(1.22436570));
        assert!(claim("1.2243").agrees(1.22436570), "cut off instead of rounded");
        assert!(!claim("1.2245").agrees(1.22436570));
        assert!(claim("1.22436570").agrees(1.2243657));
        assert!(!claim("1.22436571").agrees(1.2243657));
        assert!(claim("600").agrees(600.038));
        assert!(!claim("15863489").agrees(15_863_490.0));
    }
}
