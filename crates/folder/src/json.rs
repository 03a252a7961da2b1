//! JSON as a stranger wrote it: numbers keep their digits, values keep their lines, and duplicate keys are an error.
//!
//! serde_json alone keeps the last of two equal keys and forgets that `1.0730` had four decimals; both decide whether
//! a claim agrees with a log.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::logged::Lined;
use super::number::{Stated, Unit};

/// Deepest nesting that is read. A submission needs at most five levels.
const MAX_DEPTH: usize = 32;
/// Most values that are kept: a text of `[0,0,…` would take thirty times its length in memory. Submissions hold about
/// fifty.
const MAX_VALUES: usize = 100_000;

/// One JSON value with the line it starts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Json,
    /// 1-based.
    pub line: u64,
}

/// The kinds of JSON value. Objects keep the order of their keys.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    Number(Stated),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

/// The reason why a text is not JSON that can be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub line: u64,
    pub reason: String,
}

impl JsonError {
    /// The error of a value that begins at `line` of the whole text.
    fn below(self, line: u64) -> JsonError {
        JsonError { line: self.line.max(1) - 1 + line, ..self }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// Parses a whole text. A leading byte order mark is skipped.
///
/// # Errors
/// With the line, for syntax errors, NaN or infinite numbers, duplicate keys, nesting deeper than 32, and more than 100,000 values.
pub fn parse(text: &str) -> Result<Node, JsonError> {
    let text = text.trim_start_matches('\u{feff}');
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| explain(text, &error))?;
    Reader::new(text).node(raw, 0)
}

impl Node {
    /// The value of `key` when this is an object that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Attaches this value's line to `value`, which was read from it.
    pub fn at<T>(&self, value: T) -> Lined<T> {
        Lined::new(value, self.line)
    }

    /// The entries of an object; empty for anything else.
    pub fn entries(&self) -> &[(String, Node)] {
        if let Json::Object(entries) = &self.value { entries } else { &[] }
    }

    /// The items of a list; empty for anything else.
    pub fn items(&self) -> &[Node] {
        if let Json::List(items) = &self.value { items } else { &[] }
    }

    /// The text of a string that is not empty.
    pub fn text(&self) -> Option<&str> {
        if let Json::Text(text) = &self.value { Some(text.as_str()).filter(|text| !text.is_empty()) } else { None }
    }

    /// The number, when this is one.
    pub fn number(&self) -> Option<Stated> {
        if let Json::Number(stated) = self.value { Some(stated) } else { None }
    }

    /// Returns the number, even where it is written as text: `"1.2345"`, `"15,900,001"`, `"15_900_001 bytes"`, `"588.0
    /// s"`. `unit` is the unit of a bare number.
    pub fn figure(&self, unit: Unit) -> Option<Stated> {
        match &self.value {
            Json::Number(stated) => Some(*stated),
            Json::Text(text) => Stated::measure(text, unit).or_else(|| Stated::measure(&ungrouped(text)?, unit)),
            _ => None,
        }
    }

    /// Returns a whole number, even where it is written as text, as seeds in lists and keys of objects are.
    pub fn whole(&self) -> Option<i64> {
        number_value(&self.figure(Unit::One)?).as_i64()
    }

    /// Converts the value to a plain serde_json value, for output.
    pub fn to_value(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.value {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(stated) => number_value(stated),
            Json::Text(text) => Value::String(text.clone()),
            Json::List(items) => Value::Array(items.iter().map(Node::to_value).collect()),
            Json::Object(entries) => {
                Value::Object(entries.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }
}

/// Removes the separators of three-digit groups: underscores, apostrophes, spaces, narrow ones too. A point or a comma
/// is kept, because it may begin the decimals.
fn ungrouped(text: &str) -> Option<String> {
    let parts = |c: char| matches!(c, '_' | '\'' | '\u{2019}' | ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}');
    let text = text.trim();
    let end = text.rfind(|c: char| c.is_ascii_digit())? + 1;
    let (number, unit) = text.split_at(end);
    let mut groups = number.split(parts);
    let first = groups.next()?;
    let three = |group: &str| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit());
    let grouped = (1..=3).contains(&first.len()) && number.contains(parts) && groups.all(three);
    grouped.then(|| number.replace(parts, "") + unit)
}

/// Whole numbers stay whole in the output.
pub(super) fn number_value(stated: &Stated) -> serde_json::Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if stated.decimals == 0 && stated.value.fract() == 0.0 && stated.value.abs() < EXACT {
        (stated.value as i64).into()
    } else {
        stated.value.into()
    }
}

struct Reader<'a> {
    text: &'a str,
    /// Offsets of the line feeds, so that a place in the text becomes a line by binary search.
    line_feeds: Vec<usize>,
    values: std::cell::Cell<usize>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        let line_feeds = text.match_indices('\n').map(|(offset, _)| offset).collect();
        Reader { text, line_feeds, values: std::cell::Cell::new(0) }
    }

    fn node(&self, raw: &RawValue, depth: usize) -> Result<Node, JsonError> {
        let source = raw.get();
        let line = self.line_of(source);
        let fail = |reason: String| JsonError { line, reason };
        if depth > MAX_DEPTH {
            return Err(fail(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.values.set(self.values.get() + 1);
        if self.values.get() > MAX_VALUES {
            return Err(fail(format!("more than {MAX_VALUES} values")));
        }
        let value = match source.as_bytes().first() {
            Some(b'{') => {
                let pairs: Pairs = serde_json::from_str(source).map_err(|error| explain(source, &error).below(line))?;
                let mut entries: Vec<(String, Node)> = Vec::with_capacity(pairs.0.len());
                let mut seen = std::collections::HashSet::new();
                for (key, raw) in pairs.0 {
                    if !seen.insert(key.clone()) {
                        let line = self.line_of(raw.get());
                        return Err(JsonError { line, reason: format!("the key {key:?} occurs twice") });
                    }
                    entries.push((key, self.node(raw, depth + 1)?));
                }
                Json::Object(entries)
            }
            Some(b'[') => {
                let items: Items = serde_json::from_str(source).map_err(|error| explain(source, &error).below(line))?;
                Json::List(items.0.into_iter().map(|raw| self.node(raw, depth + 1)).collect::<Result<_, _>>()?)
            }
            Some(b'"') => {
                Json::Text(serde_json::from_str(source).map_err(|error| explain(source, &error).below(line))?)
            }
            Some(b't') => Json::Bool(true),
            Some(b'f') => Json::Bool(false),
            Some(b'n') => Json::Null,
            _ => {
                Json::Number(Stated::parse(source).ok_or_else(|| fail(format!("the number {source} is out of range")))?)
            }
        };
        Ok(Node { value, line })
    }

    /// Returns the line of a slice of `text`: a borrowed raw value keeps its place in the text that it was parsed from.
    fn line_of(&self, slice: &str) -> u64 {
        let offset = (slice.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        1 + self.line_feeds.partition_point(|feed| *feed < offset) as u64
    }
}

/// Returns serde_json's message, or a clearer one for the mistakes that people really make.
fn explain(text: &str, error: &serde_json::Error) -> JsonError {
    let line = error.line() as u64;
    let source = text.lines().nth(error.line().saturating_sub(1)).unwrap_or("");
    let not_finite = ["NaN", "Infinity"].into_iter().find(|word| source.contains(word));
    let reason = match not_finite {
        Some(word) => format!("{word} is not JSON; write null, and the value that the log states"),
        None => {
            let message = error.to_string();
            let message = message.split(" at line ").next().unwrap_or(&message);
            match message {
                "unexpected end of hex escape" | "lone leading surrogate in hex escape" => {
                    "an escape \\ud8… is half a character, as of a cut emoji; write the whole character".to_owned()
                }
                other => other.to_owned(),
            }
        }
    };
    JsonError { line, reason }
}

struct Pairs<'a>(Vec<(String, &'a RawValue)>);
struct Items<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairVisitor;
        impl<'de> Visitor<'de> for PairVisitor {
            type Value = Vec<(String, &'de RawValue)>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(PairVisitor).map(Pairs)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Items<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl<'de> Visitor<'de> for ItemVisitor {
            type Value = Vec<&'de RawValue>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(ItemVisitor).map(Items)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Compares values so that `1.0` and `1` are one number.
    fn alike(a: &serde_json::Value, b: &serde_json::Value) -> bool {
        use serde_json::Value::{Array, Object};
        match (a, b) {
            (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
            (Object(a), Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
            }
            _ => a == b || a.as_f64().is_some_and(|number| b.as_f64() == Some(number)),
        }
    }

    #[test]
    fn numbers_keep_their_digits_and_values_their_lines() {
        let node =
            parse("\u{feff}{\n  \"val_bpb\": 1.0730,\n  \"runs\": [\n    {\"seed\": 42}\n  ]\n}").expect("valid");
        let bpb = node.get("val_bpb").expect("key");
        assert_eq!((bpb.number().map(|n| n.decimals), bpb.line), (Some(4), 2));
        let run = &node.get("runs").expect("key").items()[0];
        assert_eq!(run.get("seed").map(|seed| seed.line), Some(4));
    }

    #[test]
    fn what_cannot_be_judged_is_refused_with_its_line() {
        let refused = |text: &str| parse(text).expect_err("refused").to_string();
        assert_eq!(refused("{\"a\": 1,\n\"a\": 2}"), "line 2: the key \"a\" occurs twice");
        assert!(refused("{\n\"a\": NaN}").starts_with("line 2: NaN is not JSON"));
        assert!(refused("{\"a\": 1e999}").contains("out of range"));
        assert!(refused("{\"a\": }").starts_with("line 1: expected value"));
        for cut in ["\\ud83d", "\\ud83d!", "\\ud83d\\n"] {
            let text = format!("{{\n\"a\": 1,\n\"b\": [\n\"x {cut}\"]}}");
            assert!(refused(&text).starts_with("line 4: an escape"), "{}", refused(&text));
            let key = format!("{{\n\"a\": {{\n\"{cut}\": 1}}}}");
            assert!(refused(&key).starts_with("line 3: an escape"), "{}", refused(&key));
        }
        assert!(refused(&("[".repeat(100_000))).starts_with("line 1:"));
        assert!(refused(&format!("{}{}", "[".repeat(200), "]".repeat(200))).contains("nested deeper"));
        assert!(refused(&format!("[{}0]", "0,".repeat(MAX_VALUES))).contains("more than 100000 values"));
    }

    /// Any JSON value whose numbers a double holds.
    fn any_value() -> impl Strategy<Value = serde_json::Value> {
        let number = prop_oneof![
            any::<i32>().prop_map(serde_json::Value::from),
            any::<f64>().prop_filter("finite", |value| value.is_finite()).prop_map(serde_json::Value::from)
        ];
        let text = any::<String>().prop_map(serde_json::Value::String);
        let leaf = prop_oneof![Just(serde_json::Value::Null), any::<bool>().prop_map(Into::into), number, text];
        leaf.prop_recursive(5, 60, 8, |inner| {
            let list = proptest::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::Array);
            let object = proptest::collection::btree_map(any::<String>(), inner, 0..8);
            prop_oneof![list, object.prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect()))]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_what_is_read(value in any_value(), pretty: bool) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            let read = parse(&text).map(|node| node.to_value());
            prop_assert!(read.as_ref().is_ok_and(|read| alike(read, &value)), "{text}: {read:?}");
        }

        #[test]
        fn no_text_is_more_than_an_error(text: String, open in "[\\[{\":,0-9eE.+nulltrue\\s-]{0,200}") {
            let _ = parse(&text);
            let _ = parse(&open);
        }
    }
}
