//! The tensors of a model file as a table in which equal ones are one line.

use std::fmt::Write;

use caddie_audit::model::TensorReport;
use caddie_files::text::{one_line, thousands};

/// Most lines of the table; JSON has every tensor.
const MAX_LINES: usize = 60;

/// Tensors of one type and shape whose names differ in their numbers alone.
struct AlikeTensors<'a> {
    pattern: String,
    tensors: Vec<&'a TensorReport>,
}

/// Writes the table.
///
/// # Errors
/// None: writing to a text does not fail.
pub(super) fn table(text: &mut String, tensors: &[TensorReport]) -> std::fmt::Result {
    if tensors.is_empty() {
        return writeln!(text, "\nNo tensors");
    }
    let count: u64 = tensors.iter().map(|tensor| tensor.numel).fold(0, u64::saturating_add);
    writeln!(text, "\n{} tensors, {} values", tensors.len(), thousands(count))?;
    let groups = grouped(tensors);
    let titles = ["name", "type", "shape", "levels", "bits/byte", "of the cap"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(groups.iter().take(MAX_LINES).map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in &rows {
        let mut line = String::from(" ");
        for (index, (cell, width)) in row.iter().zip(widths).enumerate() {
            // Names and types begin together, numbers end together.
            if index < 3 { write!(line, " {cell:<width$}")? } else { write!(line, " {cell:>width$}")? }
        }
        writeln!(text, "{}", line.trim_end())?;
    }
    match groups.len().saturating_sub(MAX_LINES) {
        0 => Ok(()),
        more => writeln!(text, "  … {more} more; --format json lists every tensor"),
    }
}

/// Puts equal tensors together, in the order of the file.
fn grouped(tensors: &[TensorReport]) -> Vec<AlikeTensors<'_>> {
    let mut groups: Vec<AlikeTensors<'_>> = Vec::new();
    let mut known: std::collections::HashMap<(String, &str, &[u64]), usize> = std::collections::HashMap::new();
    for tensor in tensors {
        let pattern = pattern(&tensor.name);
        let key = (pattern.clone(), tensor.dtype.name(), tensor.shape.as_slice());
        match known.get(&key).and_then(|at| groups.get_mut(*at)) {
            Some(group) => group.tensors.push(tensor),
            None => {
                known.insert(key, groups.len());
                groups.push(AlikeTensors { pattern, tensors: vec![tensor] });
            }
        }
    }
    groups
}

/// Returns a name with `#` for every number in it.
pub(super) fn pattern(name: &str) -> String {
    let mut pattern = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            c if !c.is_ascii_digit() => pattern.push(c),
            _ if pattern.ends_with('#') => {}
            _ => pattern.push('#'),
        }
    }
    pattern
}

fn row(group: &AlikeTensors<'_>) -> [String; 6] {
    let first = group.tensors.first().copied();
    let shape: Vec<String> = first.into_iter().flat_map(|tensor| &tensor.shape).map(u64::to_string).collect();
    let measured = || group.tensors.iter().filter_map(|tensor| tensor.measured.as_ref());
    let levels: Vec<u64> = measured().filter_map(|measured| measured.levels).collect();
    let bits: Vec<f64> = measured().map(|measured| measured.entropy).collect();
    let share: Vec<f64> = measured().map(|measured| measured.share).collect();
    let least = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = |values: &[f64]| values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let dash = || "-".to_owned();
    [
        name(group),
        first.map_or_else(dash, |tensor| tensor.dtype.name().to_owned()),
        format!("[{}]", shape.join(", ")),
        levels.iter().min().zip(levels.iter().max()).map_or_else(dash, |(a, b)| from_to(thousands(*a), thousands(*b))),
        if bits.is_empty() { dash() } else { from_to(format!("{:.2}", least(&bits)), format!("{:.2}", most(&bits))) },
        if share.is_empty() { dash() } else { format!("{:.2} %", share.iter().sum::<f64>() * 100.0) },
    ]
}

fn from_to(a: String, b: String) -> String {
    if a == b { a } else { format!("{a}–{b}") }
}

/// Names a group: `blocks.0–8.attn.q_gain ×9` where one number counts from the first to the last.
fn name(group: &AlikeTensors<'_>) -> String {
    let names: Vec<&str> = group.tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let ([first, .., last], count) = (names.as_slice(), names.len()) else {
        return one_line(names.first().copied().unwrap_or_default());
    };
    let (from, to) = (numbers(first), numbers(last));
    let mut parts = from.iter().zip(&to).map(|(a, b)| from_to((*a).to_owned(), (*b).to_owned()));
    let mut text = String::new();
    for part in group.pattern.split_inclusive('#') {
        match part.strip_suffix('#') {
            Some(before) => text += &(before.to_owned() + &parts.next().unwrap_or_else(|| "#".to_owned())),
            None => text += part,
        }
    }
    format!("{} ×{count}", one_line(&text))
}

/// Lists the numbers of a name.
fn numbers(name: &str) -> Vec<&str> {
    name.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_checkpoint::Dtype;

    fn tensor(name: &str, shape: &[u64]) -> TensorReport {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        TensorReport { name, dtype: Dtype::I8, numel: shape.iter().product(), shape, bits: 8, bytes: 0, measured: None }
    }

    #[test]
    fn equal_tensors_are_one_line_that_names_the_first_and_the_last() {
        let tensors = [
            tensor("tok_emb.weight", &[8, 4]),
            tensor("blocks.0.attn.c_q.weight", &[4, 4]),
            tensor("blocks.1.attn.c_q.weight", &[4, 4]),
            tensor("blocks.2.attn.c_q.weight", &[4, 4]),
            tensor("blocks.3.attn.c_q.weight", &[4, 2]),
            tensor("w#1", &[1]),
        ];
        let mut text = String::new();
        table(&mut text, &tensors).expect("a text");
        let names: Vec<&str> = text.lines().skip(3).filter_map(|line| line.trim_start().split("  ").next()).collect();
        let expected =
            ["tok_emb.weight", "blocks.0–2.attn.c_q.weight ×3 int8 [4, 4]", "blocks.3.attn.c_q.weight", "w#1"];
        for (name, expected) in names.iter().zip(expected) {
            assert!(name.starts_with(expected.split(" int8").next().unwrap_or_default()), "{text}");
        }
        assert_eq!(names.len(), 4, "{text}");
        assert!(text.contains("6 tensors"), "{text}");
    }
}
