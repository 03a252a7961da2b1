//! Pipe tables, and the facts of a results table about seeds.

use serde::Serialize;

use super::columns::{Column, column, normal};
use crate::claim::{Claim, Field, Scope};
use crate::number::{Stated, Unit};

/// One pipe table.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Table {
    /// The heading that it stands under.
    pub section: String,
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row with its line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// 1-based.
    pub line: u64,
    pub cells: Vec<String>,
    /// The row as written, for evidence.
    pub text: String,
}

/// A row of a table without seeds that states a score; the score decides which run it is about.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredRow {
    pub score: Claim,
    /// Further claims of the row.
    pub claims: Vec<Claim>,
}

/// Words in a heading or a header of tables about other runs than the submission's.
const ELSEWHERE: [&str; 13] = [
    "ablation",
    "baseline",
    "reference",
    "previous",
    "prior",
    "compar",
    "negative",
    "sweep",
    "history",
    "explor",
    "other",
    "failed",
    "tried",
];
/// Columns beside the seed that show that the rows are different experiments.
const VARIED: [&str; 8] = ["config", "variant", "change", "experiment", "setting", "model", "configuration", "stack"];

impl Table {
    /// Tells whether the table is about other runs than the submission's, by its heading.
    pub fn is_elsewhere(&self) -> bool {
        let section = self.section.to_lowercase();
        ELSEWHERE.iter().any(|word| section.contains(word))
            && (!section.contains("result") || section.contains("reference"))
    }

    /// Returns the table's claims per seed and over the seeds; empty for a table that is not about seeds.
    pub fn claims(&self) -> Vec<Claim> {
        let seeds_across = self.header.iter().skip(1).filter(|name| seed_label(name).is_some()).count();
        let mut claims = Vec::new();
        if let Some(seeds) = self.seed_column() {
            for row in &self.rows {
                let Some(label) = row.cells.get(seeds).and_then(|cell| Label::parse(cell)) else { continue };
                for (name, cell) in self.header.iter().zip(&row.cells) {
                    claims.extend(cell_claims(label, name, &row.cells[seeds], cell, row));
                }
            }
        } else if seeds_across >= 2 {
            for row in &self.rows {
                let Some(name) = row.cells.first() else { continue };
                for (seed, cell) in self.header.iter().zip(&row.cells).skip(1) {
                    let label = seed_label(seed).map(Label::Seed).or_else(|| Label::over_seeds(seed));
                    claims.extend(label.map(|label| cell_claims(label, name, seed, cell, row)).unwrap_or_default());
                }
            }
        }
        // Rows of several experiments are not the submission's runs.
        if self.varies() || self.repeats(&claims) { Vec::new() } else { claims }
    }

    /// Rows of a table without seeds that have a score and more: `| Config | BPB | Steps |`.
    pub fn scored_rows(&self) -> Vec<ScoredRow> {
        if self.seed_column().is_some() {
            return Vec::new();
        }
        let columns: Vec<Option<Column>> = self.header.iter().map(|name| column(name)).collect();
        let rows = self.rows.iter().filter_map(|row| {
            let mut claims: Vec<Claim> = Vec::new();
            for ((name, column), cell) in self.header.iter().zip(&columns).zip(&row.cells) {
                let Some(column) = column else { continue };
                let stated = cell.split('±').next().and_then(|cell| Stated::measure(cell, column.unit));
                claims.extend(stated.map(|stated| claim(column.field, Scope::Whole, name, stated, row, true)));
            }
            let score = claims.iter().position(|claim| claim.field == Field::ValBpb)?;
            let score = claims.remove(score);
            claims.retain(|claim| claim.field != Field::ValBpb && claim.field != Field::ValLoss);
            (!claims.is_empty()).then_some(ScoredRow { score, claims })
        });
        rows.collect()
    }

    /// Scores of a `| Metric | Value |` table, except those of the weights before quantization.
    pub fn scores(&self) -> Vec<Claim> {
        let [_, value] = self.header.as_slice() else { return Vec::new() };
        if normal(value) != "value" {
            return Vec::new();
        }
        let not_a_score = |name: &str| {
            ["pre-", "pre ", "delta", "penalty", "std", "baseline", "gap", "improve", "δ"]
                .iter()
                .any(|word| name.contains(word))
        };
        let scores = self.rows.iter().filter_map(|row| {
            let [name, cell] = row.cells.as_slice() else { return None };
            let column = column(name).filter(|_| !not_a_score(&normal(name)))?;
            let stated = Stated::parse(cell).filter(|_| column.field == Field::ValBpb)?;
            Some(claim(Field::ValBpb, Scope::Whole, name, stated, row, true))
        });
        scores.collect()
    }

    fn seed_column(&self) -> Option<usize> {
        let named = self.header.iter().position(|name| matches!(normal(name).as_str(), "seed" | "random seed"));
        let first_cells = || self.rows.iter().filter_map(|row| seed_label(row.cells.first()?)).count();
        named.or_else(|| (first_cells() >= 2).then_some(0))
    }

    fn varies(&self) -> bool {
        let header = self.header.iter().map(|name| normal(name));
        header.into_iter().any(|name| VARIED.contains(&name.as_str()) || name.starts_with("pr #"))
    }

    /// Tells whether two rows have one seed, which makes them two experiments.
    fn repeats(&self, claims: &[Claim]) -> bool {
        claims.iter().enumerate().any(|(index, claim)| {
            let again =
                |other: &Claim| other.scope == claim.scope && other.key == claim.key && other.line != claim.line;
            matches!(claim.scope, Scope::Seed(_)) && claims.iter().skip(index + 1).take(64).any(again)
        })
    }
}

/// The subject of a row or column of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Seed(i64),
    Mean,
    Std,
}

impl Label {
    /// Parses a label; in a seed column a bare number is a seed.
    fn parse(cell: &str) -> Option<Label> {
        let bare = normal(cell).parse().ok().map(Label::Seed);
        bare.or_else(|| seed_label(cell).map(Label::Seed)).or_else(|| Label::over_seeds(cell))
    }

    /// Parses the label of a row over the seeds; `mean ± std` gives both in one cell.
    fn over_seeds(cell: &str) -> Option<Label> {
        let name = normal(cell);
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if is(&["mean", "average", "avg"]) {
            return Some(Label::Mean);
        }
        is(&["std", "stdev", "σ"]).then_some(Label::Std)
    }
}

/// Parses `seed 42`, `Seed=42`, `seed_42`.
fn seed_label(text: &str) -> Option<i64> {
    let name = normal(text);
    let rest = name.strip_prefix("seed")?.trim_start_matches([' ', '=', '_', ':']);
    rest.parse().ok()
}

fn cell_claims(label: Label, column_name: &str, label_text: &str, cell: &str, row: &Row) -> Vec<Claim> {
    let Some(Column { field, unit, loose }) = column(column_name) else { return Vec::new() };
    let key = format!("{}, {}", column_name.trim_matches(['*', ' ']), label_text.trim_matches(['*', ' ']));
    let make = |field, scope, stated| claim(field, scope, &key, stated, row, loose);
    let spread_field = match field {
        Field::ValBpb => Some(Field::ValBpbStd),
        Field::ValLoss => Some(Field::ValLossStd),
        _ => None,
    };
    let (value, spread) = value_and_spread(cell, unit);
    match label {
        Label::Seed(seed) => value.map(|stated| make(field, Scope::Seed(seed), stated)).into_iter().collect(),
        Label::Mean => {
            let mean = value.map(|stated| make(field, Scope::Mean, stated));
            let spread = spread_field.zip(spread).map(|(field, stated)| make(field, Scope::Whole, stated));
            mean.into_iter().chain(spread).collect()
        }
        Label::Std => {
            let spread = spread_field.zip(value).map(|(field, stated)| make(field, Scope::Whole, stated));
            spread.into_iter().collect()
        }
    }
}

/// Parses `1.0728`, `1.0728 ± 0.0006`, `1.0728 (std 0.0006)`.
fn value_and_spread(cell: &str, unit: Unit) -> (Option<Stated>, Option<Stated>) {
    let bare: String = cell.chars().filter(|c| !matches!(c, '*' | '`')).collect();
    let parts = bare.split_once('±').or_else(|| bare.split_once("+/-")).or_else(|| bare.split_once("(std"));
    match parts {
        Some((value, spread)) => {
            let spread = spread.trim_matches(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | ':'));
            (Stated::measure(value, unit), Stated::parse(spread))
        }
        None => (Stated::measure(&bare, unit), None),
    }
}

fn claim(field: Field, scope: Scope, key: &str, stated: Stated, row: &Row, loose: bool) -> Claim {
    let key = key.trim_matches(['*', '`', ' ']).replace('\\', "");
    Claim { field, scope, key, stated, text: row.text.clone(), line: row.line, loose }
}
