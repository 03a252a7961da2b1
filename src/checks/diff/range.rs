//! The commits that a user names.

/// The commits that `BASE..HEAD` or `BASE...HEAD` names. Both mean the changes of HEAD since the commit where it
/// branched off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    pub base: String,
    pub head: String,
}

impl std::str::FromStr for Range {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Range, String> {
        let parts = text.split_once("...").or_else(|| text.split_once(".."));
        let Some((base, head)) = parts.filter(|(base, _)| !base.is_empty()) else {
            return Err("write BASE..HEAD, for example origin/main..HEAD".to_owned());
        };
        let head = if head.is_empty() { "HEAD" } else { head };
        if let Some(option) = [base, head].into_iter().find(|name| name.starts_with('-')) {
            return Err(format!("{option:?} is an option, not a commit"));
        }
        Ok(Range { base: base.to_owned(), head: head.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_two_commits() {
        let range = |text: &str| text.parse::<Range>().map(|range| (range.base, range.head));
        assert_eq!(range("origin/main..HEAD"), Ok(("origin/main".into(), "HEAD".into())));
        assert_eq!(range("v1.0...topic"), Ok(("v1.0".into(), "topic".into())));
        assert_eq!(range("main.."), Ok(("main".into(), "HEAD".into())));
        for refused in ["main", "..HEAD", "", "--output=x..HEAD", "main..-x"] {
            assert!(range(refused).is_err(), "{refused}");
        }
    }
}
