//! The bold score on top of a README that caddie rendered, with the other numbers in the same line.

use super::claim::{Claim, Field, Scope};
use super::number::Stated;

/// Reads one line of prose; nothing is claimed by a line in any other form than that in which caddie renders it:
///
/// Reads `**val_bpb 1.6332 (mean of 3 seeds, sample std 0.0120)** · 653,678 of 16,000,000 bytes · train 72.103 s · …`.
pub(super) fn claims(line: &str, number: u64) -> Vec<Claim> {
    rendered(line, number).unwrap_or_default()
}

fn rendered(line: &str, number: u64) -> Option<Vec<Claim>> {
    let (bold, rest) = line.strip_prefix("**val_bpb ")?.split_once("**")?;
    let mut parts = rest.split(" · ");
    // Without the sizes and times beside it, the line is anybody's.
    if parts.next() != Some("") || !rest.contains(" bytes") {
        return None;
    }
    let claim = |field: Field, scope, text: &str| {
        let stated = Stated::parse(text)?;
        let key = format!("headline {}", field.name());
        Some(Claim { field, scope, key, stated, text: line.to_owned(), line: number, loose: false })
    };
    let (score, about) = bold.split_once(" (").unwrap_or((bold, ""));
    let mut claims = vec![claim(Field::ValBpb, Scope::Mean, score)?];
    let spread = about.split_once("sample std ").and_then(|(_, rest)| rest.strip_suffix(')'));
    claims.extend(spread.and_then(|text| claim(Field::ValBpbStd, Scope::Whole, text)));
    for part in parts {
        // The last part is followed by a remark in parentheses.
        let part = part.split(" (").next().unwrap_or(part);
        let named = |name: &str| part.strip_prefix(name);
        if let Some((bytes, _)) = part.split_once(" of ").filter(|_| part.ends_with(" bytes")) {
            claims.extend(claim(Field::BytesTotal, Scope::Max, bytes));
        } else if let Some(seconds) = named("train ") {
            claims.extend(claim(Field::TrainSeconds, Scope::Max, seconds));
        } else if let Some(seconds) = named("eval ") {
            claims.extend(claim(Field::EvalSeconds, Scope::Max, seconds));
        }
    }
    Some(claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rendered_headline_states_five_numbers() {
        let line = "**val_bpb 1.6332 (mean of 3 seeds, sample std 0.0120)** · 653,678 of 16,000,000 bytes · \
                    train 72.103 s · eval 14.785 s (bytes and times of the largest run)";
        let found: Vec<_> =
            claims(line, 3).iter().map(|claim| (claim.field, claim.scope, claim.stated.value)).collect();
        assert_eq!(
            found,
            [
                (Field::ValBpb, Scope::Mean, 1.6332),
                (Field::ValBpbStd, Scope::Whole, 0.012),
                (Field::BytesTotal, Scope::Max, 653_678.0),
                (Field::TrainSeconds, Scope::Max, 72.103),
                (Field::EvalSeconds, Scope::Max, 14.785),
            ]
        );
    }

    #[test]
    fn other_forms_are_left_to_the_prose() {
        for line in ["**val_bpb 1.07**", "**val_bpb: 1.07** (mean of 3 seeds)", "val_bpb 1.07"] {
            assert_eq!(claims(line, 1), [], "{line}");
        }
    }
}
