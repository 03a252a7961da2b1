//! README.md: its tables, and the numbers that its results state about each seed.

use serde::Serialize;

use super::claim::{Claim, Field, Scope};
use super::headline;
use super::nats::{self, NatsPair};
use super::number::Stated;

/// Tables read at most; real READMEs have a handful.
const MAX_TABLES: usize = 200;
/// Rows read of one table.
const MAX_ROWS: usize = 1_000;

/// A README's tables.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Readme {
    pub tables: Vec<Table>,
    /// What the bold score on top states; empty where there is none in a form that is sure.
    pub headline: Vec<Claim>,
    /// Differences of scores that are stated in bits per byte and in nats.
    pub nats: Vec<NatsPair>,
}

/// One pipe table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Table {
    pub header: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row with its line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// 1-based.
    pub line: u64,
    pub cells: Vec<String>,
    /// As written, for evidence.
    pub text: String,
}

impl Readme {
    /// Finds the tables; those inside code blocks are examples and are passed over.
    pub fn parse(text: &str) -> Readme {
        let mut readme = Readme { nats: nats::pairs(text), ..Readme::default() };
        let mut header: Option<Vec<String>> = None;
        let mut in_table = false;
        let mut fenced = false;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim();
            if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
                fenced = !fenced;
            }
            if !fenced && readme.headline.is_empty() {
                readme.headline = headline::claims(trimmed, number);
            }
            if fenced || !trimmed.contains('|') {
                header = None;
                in_table = false;
                continue;
            }
            let cells = cells(trimmed);
            if in_table {
                if let Some(table) = readme.tables.last_mut().filter(|table| table.rows.len() < MAX_ROWS) {
                    table.rows.push(Row { line: number, cells, text: trimmed.to_owned() });
                }
            } else if let Some(header) = header.take_if(|header| is_rule(&cells) && header.len() == cells.len()) {
                if readme.tables.len() < MAX_TABLES {
                    readme.tables.push(Table { header, rows: Vec::new() });
                    in_table = true;
                }
            } else {
                header = Some(cells);
            }
        }
        readme
    }

    /// What the tables with a seed column state: per seed, and in rows named mean or std.
    pub fn claims(&self) -> Vec<Claim> {
        self.tables.iter().flat_map(Table::claims).collect()
    }
}

impl Table {
    fn claims(&self) -> Vec<Claim> {
        let Some(seed_column) = self.header.iter().position(|name| normal(name) == "seed") else { return Vec::new() };
        let columns: Vec<_> = self.header.iter().map(|name| column(name)).collect();
        let mut claims = Vec::new();
        for row in &self.rows {
            let Some(label) = row.cells.get(seed_column).and_then(|cell| Label::parse(cell)) else { continue };
            for (index, cell) in row.cells.iter().enumerate() {
                let Some(Some((field, loose))) = columns.get(index) else { continue };
                let name = &self.header[index];
                claims.extend(label.claims(*field, cell).into_iter().map(|(field, scope, stated)| Claim {
                    field,
                    scope,
                    key: format!("{name}, {}", row.cells[seed_column].trim_matches(['*', ' '])),
                    stated,
                    text: row.text.clone(),
                    line: row.line,
                    loose: *loose,
                }));
            }
        }
        claims
    }
}

/// What a results row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Label {
    Seed(i64),
    Mean,
    Std,
    /// `mean ± std` in one row.
    MeanAndStd,
}

impl Label {
    fn parse(cell: &str) -> Option<Label> {
        let name = normal(cell);
        let number = name.strip_prefix("seed").unwrap_or(&name).trim();
        if let Ok(seed) = number.parse() {
            return Some(Label::Seed(seed));
        }
        let has = |word: &str| name.contains(word);
        match (has("mean") || has("average"), has("std") || has('±'.to_string().as_str())) {
            (true, true) => Some(Label::MeanAndStd),
            (true, false) => Some(Label::Mean),
            (false, true) => Some(Label::Std),
            (false, false) => None,
        }
    }

    fn claims(self, field: Field, cell: &str) -> Vec<(Field, Scope, Stated)> {
        let spread = match field {
            Field::ValBpb => Some(Field::ValBpbStd),
            Field::ValLoss => Some(Field::ValLossStd),
            _ => None,
        };
        let parts: Vec<Option<Stated>> = cell.split(['±']).map(Stated::parse).collect();
        let mut claims = Vec::new();
        match self {
            Label::Seed(seed) => {
                claims.extend(Stated::parse(cell).map(|stated| (field, Scope::Seed(seed), stated)));
            }
            Label::Mean | Label::MeanAndStd => {
                claims.extend(parts.first().copied().flatten().map(|stated| (field, Scope::Mean, stated)));
                if let (Some(spread), Some(stated)) = (spread, parts.get(1).copied().flatten()) {
                    claims.push((spread, Scope::Whole, stated));
                }
            }
            Label::Std => {
                if let (Some(spread), Some(stated)) = (spread, Stated::parse(cell)) {
                    claims.push((spread, Scope::Whole, stated));
                }
            }
        }
        claims
    }
}

/// Which fact a column states, and whether its name leaves open which evaluation is meant. Columns of differences,
/// ratios and other stages are not compared.
fn column(name: &str) -> Option<(Field, bool)> {
    let name = normal(name);
    let exact = match name.as_str() {
        "val_bpb" | "val bpb" => Some(Field::ValBpb),
        "val_loss" | "val loss" | "val_loss (nats)" | "val loss (nats)" => Some(Field::ValLoss),
        "steps" | "step" | "train steps" => Some(Field::Steps),
        "artifact" | "artifact bytes" | "artifact_bytes" | "artifact (bytes)" | "artifact size" | "bytes_total"
        | "total bytes" | "bytes total" | "bytes" | "total (bytes)" | "size (bytes)" => Some(Field::BytesTotal),
        "bytes_model" | "model bytes" | "bytes model" | "model (bytes)" => Some(Field::BytesModel),
        "bytes_code" | "code bytes" | "bytes code" | "code (bytes)" => Some(Field::BytesCode),
        "train s" | "train (s)" | "train_s" | "train seconds" | "train_seconds" | "train time" | "train time (s)"
        | "train_time_s" => Some(Field::TrainSeconds),
        "eval s" | "eval (s)" | "eval_s" | "eval seconds" | "eval_seconds" | "eval time" | "eval time (s)"
        | "eval_time_s" => Some(Field::EvalSeconds),
        _ => None,
    };
    if let Some(field) = exact {
        return Some((field, false));
    }
    let other = ["δ", "delta", "gain", " vs", "pre-", "pre ", "post-ema", "gap", "rank"];
    (name.contains("bpb") && !other.iter().any(|word| name.contains(word))).then_some((Field::ValBpb, true))
}

fn normal(text: &str) -> String {
    let bare: String = text.chars().filter(|c| !matches!(c, '*' | '`')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// `|---|:--:|`
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "text\n\n| Seed | **val_bpb** | Pre-TTT BPB | Post-TTT BPB | Artifact |\n|---|:--:|--|--|--|\n\
        | 42 | 1.07280 | 1.085 | ~1.07 | 15,932,897 |\n| **Mean** | 1.0728 ± 0.0006 | | | |\n| Std | 0.0006 | | | |\n";

    #[test]
    fn results_tables_state_claims_per_seed_and_over_seeds() {
        let claims = Readme::parse(TABLE).claims();
        let found: Vec<_> = claims.iter().map(|c| (c.field, c.scope, c.stated.value, c.line)).collect();
        assert_eq!(
            found,
            [
                (Field::ValBpb, Scope::Seed(42), 1.0728, 5),
                (Field::ValBpb, Scope::Seed(42), 1.07, 5),
                (Field::BytesTotal, Scope::Seed(42), 15_932_897.0, 5),
                (Field::ValBpb, Scope::Mean, 1.0728, 6),
                (Field::ValBpbStd, Scope::Whole, 0.0006, 6),
                (Field::ValBpbStd, Scope::Whole, 0.0006, 7),
            ]
        );
        assert!(claims[1].loose && claims[1].stated.approximate && !claims[0].loose);
    }

    #[test]
    fn tables_in_code_blocks_and_without_seeds_state_nothing() {
        let fenced = format!("```\n{TABLE}```\n");
        assert_eq!(Readme::parse(&fenced).claims(), []);
        assert_eq!(Readme::parse("| Change | val_bpb |\n|--|--|\n| 9L | 1.1 |\n").claims(), []);
        assert_eq!(Readme::parse("a | b\nnot a table\n").tables, []);
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,100}|([|:\n-]|seed|val_bpb|mean|±|[0-9.,~ ]){0,60}") {
            let _ = Readme::parse(&text).claims();
        }
    }
}
