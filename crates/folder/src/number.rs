//! A number as a file states it: the value, and its precision in digits.

use serde::Serialize;

/// Most digits after the point that are compared: beyond this, f64 means of the same values differ by summation order.
const MAX_DECIMALS: i64 = 10;
/// Position of the coarsest last digit: terabytes.
const MIN_DECIMALS: i64 = -12;

/// The unit of a column or a sentence, for numbers that name none themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A bare count, a score, bytes.
    One,
    /// Seconds.
    Second,
    /// Milliseconds; the value becomes seconds.
    Millisecond,
    /// Milliseconds that stay milliseconds, as in `ms/step`.
    OfStep,
    /// 10^6 bytes.
    Megabyte,
}

/// A stated number with its precision, so that a measured value can be compared at the precision of the claim.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stated {
    pub value: f64,
    /// Digits after the decimal point, exponent applied, at most 10; negative where the last stated digit stands before
    /// the point, as in `15.94 MB` or `~8,300`.
    pub decimals: i32,
    /// True if marked as approximate (`~`, `≈`, `about`), so that a reader does not expect the last digit.
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

    /// Parses a number with its unit: seconds for a time, decimal bytes for a size, milliseconds for a step.
    ///
    /// `15.94 MB` becomes 15,940,000 with the last digit in the ten thousands, `588,004` in milliseconds becomes
    /// 588.004; a trailing zero of an approximate count (`~8,300`) is not a digit. `None` where the number's unit is of
    /// another kind than `unit`.
    pub fn measure(text: &str, unit: Unit) -> Option<Stated> {
        let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '`' | '_'));
        let end = bare.rfind(|c: char| c.is_ascii_digit() || c == '.')? + 1;
        let (number, suffix) = bare.split_at_checked(end)?;
        let number = Stated::parse(number)?;
        let (factor, shift) = scale(suffix.trim(), unit)?;
        // Minutes and binary megabytes are no power of ten: the coarser power is what the digits still commit to.
        let decimals = (i64::from(number.decimals) - shift).clamp(MIN_DECIMALS, MAX_DECIMALS) as i32;
        let stated = Stated { value: number.value * factor, decimals, ..number };
        // 15,340,000 bytes are no count.
        let round = unit == Unit::One && stated.value >= 1e6 && stated.value % 1e4 == 0.0;
        Some(if (stated.approximate || round) && decimals == 0 { stated.without_trailing_zeros() } else { stated })
    }

    /// One unit of the last stated digit.
    pub fn unit(&self) -> f64 {
        10f64.powi(-self.decimals)
    }

    /// Tells whether `measured` is at most one unit of the last digit away, as a number computed from rounded parts may
    /// be.
    pub fn near(&self, measured: f64) -> bool {
        (self.value - measured).abs() <= self.unit() * 1.000_001
    }

    /// Tells whether the number was stated in megabytes or in other round numbers.
    pub fn is_coarse(&self) -> bool {
        self.decimals < 0
    }

    fn without_trailing_zeros(self) -> Stated {
        let zeros = (1..=6).take_while(|zeros| self.value != 0.0 && self.value % 10f64.powi(*zeros) == 0.0).last();
        Stated { decimals: -zeros.unwrap_or(0), ..self }
    }

    /// Tells whether the stated number is `measured`, rounded or cut off at the stated precision.
    pub fn agrees(&self, measured: f64) -> bool {
        let slack = self.slack();
        let cut_off = measured >= self.value - slack && measured < self.value + self.unit() - slack;
        self.rounds(measured) || cut_off
    }

    /// Tells whether the stated number is `measured`, rounded at the stated precision.
    pub fn rounds(&self, measured: f64) -> bool {
        (self.value - measured).abs() <= self.unit() / 2.0 + self.slack()
    }

    fn slack(&self) -> f64 {
        self.unit() * 1e-6 + 1e-12
    }
}

/// Tells whether commas separate thousands, as in `15,863,489` but not in `1,5`: groups of three digits after the first
/// comma.
fn has_thousands_separators(text: &str) -> bool {
    let whole = text.split('.').next().unwrap_or(text);
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or("");
    let mut rest = groups.peekable();
    rest.peek().is_some()
        && (1..=3).contains(&first.trim_start_matches(['-', '+']).len())
        && rest.all(|group| group.len() == 3 && group.bytes().all(|b| b.is_ascii_digit()))
}

/// Returns the factor of a suffix, and the number of decimal places by which it moves the last digit.
fn scale(suffix: &str, unit: Unit) -> Option<(f64, i64)> {
    let suffix = suffix.to_ascii_lowercase();
    Some(match (unit, suffix.as_str()) {
        (Unit::One, "" | "b" | "byte" | "bytes") => (1.0, 0),
        (Unit::One | Unit::Megabyte, "mb") | (Unit::Megabyte, "") => (1e6, 6),
        (Unit::One | Unit::Megabyte, "mib") => (1_048_576.0, 7),
        (Unit::One | Unit::Megabyte, "kb") => (1e3, 3),
        (Unit::Megabyte, "b" | "byte" | "bytes") => (1.0, 0),
        (Unit::Second, "" | "s" | "sec" | "secs" | "second" | "seconds") | (Unit::Millisecond, "s") => (1.0, 0),
        (Unit::Second | Unit::Millisecond, "ms") | (Unit::Millisecond, "") => (1e-3, -3),
        (Unit::Second | Unit::Millisecond, "m" | "min" | "minutes") => (60.0, 2),
        (Unit::OfStep, "" | "ms" | "ms/step") => (1.0, 0),
        _ => return None,
    })
}

fn decimals_of(digits: &str) -> i32 {
    let (mantissa, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, "0"));
    let after_point = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i64);
    let exponent: i64 = exponent.parse().unwrap_or(0);
    after_point.saturating_sub(exponent).clamp(0, MAX_DECIMALS) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (f64, i32) {
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
    fn units_move_the_last_digit() {
        let measure = |text: &str, unit| Stated::measure(text, unit).map(|s| (s.value, s.decimals));
        assert_eq!(measure("15.94 MB", Unit::One), Some((15_940_000.0, -4)));
        assert_eq!(measure("**15,996,697 B**", Unit::One), Some((15_996_697.0, 0)));
        assert_eq!(measure("15.9", Unit::Megabyte), Some((15_900_000.0, -5)));
        assert_eq!(measure("588,004", Unit::Millisecond).map(|(_, decimals)| decimals), Some(3));
        assert_eq!(measure("500.104 s", Unit::Second), Some((500.104, 3)));
        assert_eq!(measure("9.6 min", Unit::Second), Some((576.0, -1)));
        assert_eq!(measure("83.3ms", Unit::OfStep), Some((83.3, 1)));
        assert_eq!(measure("~8,300", Unit::One), Some((8_300.0, -2)));
        assert_eq!(measure("8,300", Unit::One), Some((8_300.0, 0)));
        for no in ["yes", "83.3ms", "1.07 (best)", "4 hours", "9m 58s", "1.07 ± 0.01"] {
            assert_eq!(measure(no, Unit::One), None, "{no}");
        }
        assert!(
            Stated::measure("15.94 MB", Unit::One).is_some_and(|s| s.agrees(15_936_229.0) && !s.agrees(15_930_000.0))
        );
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
