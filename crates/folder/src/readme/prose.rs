//! Numbers that titles, bullets and sentences of a README state about the submission's runs.
//!
//! Only unambiguous forms are read: a number in a sentence is more often about somebody else's run than about this one.
//! Every claim from here is loose.

use std::sync::LazyLock;

use regex::Regex;

use crate::claim::{Claim, Field, Scope};
use crate::number::{Stated, Unit};

/// Lines from the top in which a line that begins with a score is the submission's headline.
const TOP: u64 = 60;
/// Lines from the top that may be the title.
const TITLE: u64 = 8;
/// Longest line that is examined.
const MAX_LINE: usize = 2_000;

/// A pattern that is compiled once; one that is not a regular expression never matches, which the tests would show.
macro_rules! pattern {
    ($(#[$about:meta])* $name:ident, $pattern:literal) => {
        $(#[$about])*
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());
    };
}

pattern!(
    /// `val_bpb: 1.0728 (3-seed mean, std 0.0006)`, perhaps after `mean`, `Final`, `3-seed` or `Score:`.
    HEADLINE,
    r"(?i)^(?:[->#*]+\s+)?(?:val[_ ]loss\s*[:=]\s*\d\.\d+\s*\|\s*)?((?:(?:score|results?|final|best|mean|average|avg|official|exact|submission|\d+-seed|three-seed)[\s:]+){0,4})(?:val[_ ]?bpb|bpb)\b((?:\s*\([^)]{0,60}\))?)\s*[:=]?\s*([~≈]?\s*\d\.\d{3,10})\b(.*)$"
);
pattern!(
    /// A title that names the score: `… — val_bpb 1.0728`, `… (val_bpb: 1.1307)`, `… 1.1971 BPB …`.
    TITLED,
    r"(?i)^#{1,3}\s+(.*?)(?:(?:val[_ ]?bpb|bpb)\s*[:=]?\s*([~≈]?\d\.\d{3,10})\b|([~≈]?\d\.\d{3,10})\s*(?:val[_ ]?)?bpb\b)(.*)$"
);
pattern!(
    /// `Final best (looped): 1.1787 bpb`.
    FINAL,
    r"(?i)^(?:[->*]\s+)?(final\b[^:]{0,30}):\s*(\d\.\d{3,10})\s*(?:val[_ ]?)?bpb\b(.*)$"
);
pattern!(SPREAD, r"(?i)(?:\bstd(?:ev|\s*dev)?\b\.?|σ|±|\+/-)\s*[:=]?\s*([~≈]?\s*0?\.\d{3,10})");
pattern!(
    SPREAD_LINE,
    r"(?i)^(?:[->*]\s+)?(?:mean\s*:\s*\d\.\d+\s*\|\s*)?(?:\d+-seed\s+)?(?:sample )?(?:std(?:\s*dev)?|standard deviation)\s*[:=]\s*([~≈]?0?\.\d{3,10})\s*(?:bpb\b.*|\|.*|/.*)?$"
);
pattern!(MEGABYTES, r"([~≈]?\s*\d{1,2}\.\d{1,3}\s*MB)\b");
pattern!(
    BYTES,
    r"(?i)\b(total submission size|total size|artifact size|artifact|code size|serialized model|code|model)\b[^:|]{0,40}:\s*(\d[\d,]*)(?:\s*bytes|\s*b\b|\s*\+|\))"
);
pattern!(
    STEPS,
    r"(?i)(?:stopped at\s+(\d[\d,]{2,})\s*/|^(?:[->*]\s+)?(?:training:\s*)?(\d,?\d{3})\s+steps in\s|^(?:[->*]\s+)?steps:\s*(\d[\d,]{2,})\s*/)"
);
pattern!(
    /// `Pre-quant eval at stop: val_loss:2.0606, val_bpb:1.2172`, `Pre-quant val_bpb: 1.1616`.
    PRE_QUANT,
    r"(?i)^(?:[->*]\s+)?(?:(?:best|final)\s+)?pre-?quant(?:i[sz]ation)?\b[^:|=\d]{0,30}?[:=]?\s*(?:val_loss\s*[:=]\s*\d\.\d+\s*[,|]?\s*)?val_bpb\s*[:=]\s*(\d\.\d{4,10})\b"
);
pattern!(
    /// `Train time: 600038ms (step_avg:43.54ms)`
    TRAIN,
    r"(?i)^(?:[->*]\s+)?train(?:ing)? time:\s*(\d{5,8}\s*ms)\b"
);
pattern!(EVAL, r"(?i)([~≈]?\d{2,4}(?:\.\d+)?\s*s)\s+(?:ttt\s+)?eval\b");
pattern!(
    /// A number that may be a score.
    SCORE,
    r"\b\d\.\d{2,10}\b"
);

/// Every number of a line that may be a score.
pub(super) fn scores(line: &str) -> Vec<Stated> {
    let Some(pattern) = SCORE.as_ref().filter(|_| line.len() <= MAX_LINE) else { return Vec::new() };
    let stated = pattern.find_iter(line).filter_map(|found| Stated::parse(found.as_str()));
    stated.filter(|stated| stated.value > 0.05 && stated.value < 20.0).collect()
}

/// Returns the claims of a line outside tables. Inside a code block only a bare `std: 0.0005` is a claim.
pub(super) fn claims(line: &str, number: u64, fenced: bool) -> Vec<Claim> {
    if line.len() > MAX_LINE || !line.contains(|c: char| c.is_ascii_digit()) {
        return Vec::new();
    }
    let bare: String = line.chars().filter(|c| !matches!(c, '*' | '`' | '\\')).collect();
    let bare = bare.trim();
    let place = Place { line, number };
    let mut claims = place.spread_line(bare);
    if fenced {
        return claims;
    }
    let headline = place.headline(bare);
    let is_headline = !headline.is_empty();
    claims.extend(headline);
    claims.extend(place.sizes(bare, is_headline));
    claims.extend(place.bytes(bare));
    claims.extend(place.steps(bare));
    claims.extend(place.first(&PRE_QUANT, bare, Field::PreQuantValBpb, Unit::One));
    claims.extend(place.first(&TRAIN, bare, Field::TrainSeconds, Unit::Second));
    if is_headline {
        claims.extend(place.first(&EVAL, bare, Field::EvalSeconds, Unit::Second));
    }
    claims
}

/// The line as written and its number.
struct Place<'a> {
    line: &'a str,
    number: u64,
}

impl Place<'_> {
    fn claim(&self, field: Field, scope: Scope, key: &str, stated: Stated) -> Claim {
        let text = self.line.chars().take(200).collect();
        Claim { field, scope, key: key.to_owned(), stated, text, line: self.number, loose: true }
    }

    fn first(&self, pattern: &LazyLock<Option<Regex>>, text: &str, field: Field, unit: Unit) -> Option<Claim> {
        let found = pattern.as_ref()?.captures(text)?;
        let stated = Stated::measure(found.get(1)?.as_str(), unit)?;
        Some(self.claim(field, Scope::Whole, field.name(), stated))
    }

    /// The score that the README puts on top, and the deviation beside it.
    fn headline(&self, bare: &str) -> Vec<Claim> {
        let parts = self.title(bare).or_else(|| self.headline_parts(bare)).or_else(|| self.final_score(bare));
        let Some((before, score, after)) = parts else {
            return Vec::new();
        };
        // `1.1898 (initial submission) → 1.1554 (v4.1)`: the last is the result.
        let last = after.rsplit_once(['→']).and_then(|(_, rest)| scores(rest).first().copied());
        let Some(stated) = last.or_else(|| Stated::parse(&score.replace(' ', ""))) else { return Vec::new() };
        // The words about the score end where the next fact begins.
        let about = after.split(" | ").next().unwrap_or(&after).to_lowercase();
        let about = about.split("val_loss").next().unwrap_or_default().to_owned();
        let words = format!("{} {}", before.to_lowercase(), about);
        let is_mean = ["mean", "average", "avg", "-seed"].iter().any(|word| words.contains(word));
        let scope = if is_mean && !words.contains("single") { Scope::Mean } else { Scope::Whole };
        let mut claims = vec![self.claim(Field::ValBpb, scope, "headline val_bpb", stated)];
        let spread = SPREAD.as_ref().and_then(|pattern| pattern.captures(&about)).and_then(|found| found.get(1));
        let spread = spread.and_then(|found| Stated::parse(&found.as_str().replace(' ', "")));
        claims.extend(spread.map(|stated| self.claim(Field::ValBpbStd, Scope::Whole, "headline std", stated)));
        claims
    }

    fn title(&self, bare: &str) -> Option<(String, String, String)> {
        if self.number > TITLE {
            return None;
        }
        let found = TITLED.as_ref()?.captures(bare)?;
        let before = found.get(1)?.as_str().to_lowercase();
        // `Beats the baseline (1.2244 BPB)`
        if ["baseline", "sota", " vs", "beat", "delta", "over ", "from ", "-0.", "not "]
            .iter()
            .any(|w| before.contains(w))
        {
            return None;
        }
        let score = found.get(2).or_else(|| found.get(3))?;
        Some((before, score.as_str().to_owned(), found.get(4)?.as_str().to_owned()))
    }

    fn headline_parts(&self, bare: &str) -> Option<(String, String, String)> {
        let found = HEADLINE.as_ref()?.captures(bare)?;
        let words = format!("{} {}", found.get(1)?.as_str(), found.get(2)?.as_str()).to_lowercase();
        let elsewhere = ["baseline", "sota", "pre-", "before", "target", "expected", "pr #", "standard", "roundtrip"];
        if elsewhere.iter().any(|word| words.contains(word)) || self.number > TOP && !words.contains("mean") {
            return None;
        }
        Some((words, found.get(3)?.as_str().to_owned(), found.get(4)?.as_str().to_owned()))
    }

    fn final_score(&self, bare: &str) -> Option<(String, String, String)> {
        let found = FINAL.as_ref().filter(|_| self.number <= TOP)?.captures(bare)?;
        let part = |index| found.get(index).map(|part| part.as_str().to_owned());
        Some((part(1)?, part(2)?, part(3)?))
    }

    /// `std: 0.0005` on a line of its own, `Mean: 1.1233 | Std: 0.0005`, `3-seed std: 0.00090 BPB / …`.
    fn spread_line(&self, bare: &str) -> Vec<Claim> {
        self.first(&SPREAD_LINE, bare, Field::ValBpbStd, Unit::One).into_iter().collect()
    }

    /// Sizes in megabytes of the artifact: rounded, and sometimes binary.
    fn sizes(&self, bare: &str, is_headline: bool) -> Option<Claim> {
        let lower = bare.to_lowercase();
        let about = ["artifact", "submission size", "total size"].iter().any(|word| lower.contains(word));
        if !about && !is_headline {
            return None;
        }
        self.first(&MEGABYTES, bare, Field::BytesTotal, Unit::One)
    }

    /// `Total submission size int8+zlib: 15863489 bytes`, `Code size: 47642 bytes`, and both in one line.
    fn bytes(&self, bare: &str) -> Vec<Claim> {
        let Some(pattern) = BYTES.as_ref() else { return Vec::new() };
        let claims = pattern.captures_iter(bare).filter_map(|found| {
            let what = found.get(1)?.as_str().to_lowercase();
            let field = match what.split(' ').next()? {
                "code" => Field::BytesCode,
                // Without a format it is the raw checkpoint.
                "serialized" if !found.get(0)?.as_str().contains(['+', '(']) => return None,
                "serialized" | "model" => Field::BytesModel,
                _ => Field::BytesTotal,
            };
            Some(self.claim(field, Scope::Whole, &what, Stated::parse(found.get(2)?.as_str())?))
        });
        claims.collect()
    }

    /// `Timed training stopped at 13780/20000 steps`, `7,103 steps in 600s`, `Steps: 13,100/20,000`.
    fn steps(&self, bare: &str) -> Option<Claim> {
        let found = STEPS.as_ref()?.captures(bare)?;
        let steps = (1..=3).find_map(|index| found.get(index))?;
        let stated = Stated::parse(steps.as_str())?;
        Some(self.claim(Field::Steps, Scope::Whole, "steps", stated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<(Field, Scope, f64)> {
        claims(line, 3, false).iter().map(|claim| (claim.field, claim.scope, claim.stated.value)).collect()
    }

    #[test]
    fn headlines_of_the_field_are_read() {
        use Field::{BytesTotal, EvalSeconds, ValBpb, ValBpbStd};
        use Scope::{Mean, Whole};
        for (line, expected) in [
            ("**val_bpb: 1.07**", vec![]),
            ("**val_bpb: 1.1307**", vec![(ValBpb, Whole, 1.1307)]),
            ("- **val\\_bpb: 1.1307** (sliding window)", vec![(ValBpb, Whole, 1.1307)]),
            ("val_bpb = **1.1454** (Hedge Mixer eval)", vec![(ValBpb, Whole, 1.1454)]),
            (
                "**val_bpb = 1.0810** (3-seed mean, std 0.0002) | **~15.99 MB** | 8xH100, 590s train + ~76s eval",
                vec![
                    (ValBpb, Mean, 1.081),
                    (ValBpbStd, Whole, 0.0002),
                    (BytesTotal, Whole, 15.99e6),
                    (EvalSeconds, Whole, 76.0),
                ],
            ),
            (
                "mean val_bpb = 1.07139 | std = 0.00082 | 15.927 MB",
                vec![(ValBpb, Mean, 1.07139), (BytesTotal, Whole, 15.927e6)],
            ),
            (
                "**Mean val_bpb (sliding): 1.1598** (std: 0.00120)",
                vec![(ValBpb, Mean, 1.1598), (ValBpbStd, Whole, 0.0012)],
            ),
            ("## Score: mean val_bpb = 1.1458 (3 seeds: 1.1460, 1.1466, 1.1449)", vec![(ValBpb, Mean, 1.1458)]),
            ("# Record: SP8192 — val_bpb 1.08279 (3-seed mean)", vec![(ValBpb, Mean, 1.08279)]),
            ("**Final best (looped):** 1.1787 bpb sliding | **Flat:** 1.1648 bpb", vec![(ValBpb, Whole, 1.1787)]),
            ("# Notable: 1.1971 BPB — Random Maps", vec![(ValBpb, Whole, 1.1971)]),
            ("**val_bpb: 1.1898** (initial) → **1.1554** (v4.1)", vec![(ValBpb, Whole, 1.1554)]),
            (
                "**val_bpb: 1.06549** (3-seed mean, std=0.00070) | **val_loss: 2.33 nats** (std=0.00152)",
                vec![(ValBpb, Mean, 1.06549), (ValBpbStd, Whole, 0.0007)],
            ),
        ] {
            assert_eq!(found(line), expected, "{line}");
        }
    }

    #[test]
    fn other_peoples_scores_are_no_headline() {
        for line in [
            "the baseline has val_bpb 1.2244",
            "Merged SOTA (PR #1019): **1.1147 BPB**. Delta: **-0.0325 BPB**.",
            "# Beats the baseline, 1.2244 BPB",
            "val_bpb (baseline): 1.2244",
            "bpb improves by 0.0010",
            "**val_bpb of the baseline 1.2244**",
        ] {
            assert_eq!(found(line), [], "{line}");
        }
        assert_eq!(claims("val_bpb: 1.1307", 200, false), [], "far below the top");
    }

    #[test]
    fn labelled_facts_are_read_wherever_they_stand() {
        use Field::{BytesCode, BytesModel, BytesTotal, PreQuantValBpb, Steps, TrainSeconds, ValBpbStd};
        for (line, field, value) in [
            ("- Timed training stopped at `13780/20000` steps due to the cap.", Steps, 13_780.0),
            ("- 7,103 steps in 600s (84ms/step)", Steps, 7_103.0),
            ("- Steps: 13,100/20,000 (wallclock limited)", Steps, 13_100.0),
            ("- Pre-quant val_bpb: 1.1616", PreQuantValBpb, 1.1616),
            ("- Pre-quant eval at stop: `val_loss:2.0606`, `val_bpb:1.2172`", PreQuantValBpb, 1.2172),
            ("- Train time: `600038ms` (`step_avg:43.54ms`)", TrainSeconds, 600.038),
            ("- Total submission size int8+zlib: `15863489 bytes`", BytesTotal, 15_863_489.0),
            ("- Code size for this standalone record script: `47716 bytes`", BytesCode, 47_716.0),
            ("- Serialized model int8+zlib: `15815847 bytes`", BytesModel, 15_815_847.0),
            ("std: 0.0005", ValBpbStd, 0.0005),
            ("**Mean: 1.1233 | Std: 0.0005** | Submitted: seed 1337 (best)", ValBpbStd, 0.0005),
            ("3-seed std: 0.00090 BPB / 0.00198 nats.", ValBpbStd, 0.0009),
        ] {
            let claims = claims(line, 200, false);
            assert_eq!(
                claims.iter().map(|c| (c.field, c.stated.value)).collect::<Vec<_>>(),
                [(field, value)],
                "{line}"
            );
        }
        let parts = found("- Artifact: 15,928,974 bytes (code: 48,917 + model: 15,880,057)");
        let fields: Vec<_> = parts.iter().map(|(field, ..)| *field).collect();
        assert_eq!(fields, [BytesTotal, BytesCode, BytesModel]);
        assert_eq!(claims("std: 0.0005", 9, true).len(), 1, "a code block may hold the statistics");
        assert_eq!(claims("val_bpb: 1.1307", 9, true), []);
    }
}
