//! README.md: its tables, its headline, and the statements of its prose that can be compared with the logs.

use serde::Serialize;

use super::claim::Claim;
use super::headline;
use super::logged::Lined;
use super::nats::{self, NatsPair};
use super::number::Stated;

mod columns;
mod mentions;
mod prose;
mod table;

pub use mentions::Mention;
pub use table::{Row, ScoredRow, Table};

/// Most tables that are read; real READMEs have a handful.
const MAX_TABLES: usize = 200;
/// Most rows that are read of one table.
const MAX_ROWS: usize = 1_000;
/// Most claims in prose, mentions and scores that are kept.
const MAX_ITEMS: usize = 2_000;

/// A README as read.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Readme {
    pub tables: Vec<Table>,
    /// Claims of the bold score on top; empty where there is none in a form that is certain.
    pub headline: Vec<Claim>,
    /// Differences of scores in bits per byte and in nats.
    pub nats: Vec<NatsPair>,
    /// Claims of titles, bullets and sentences about the submission's runs. All are [loose](Claim::loose).
    pub prose: Vec<Claim>,
    /// Files that the text names or runs.
    pub mentions: Vec<Mention>,
    /// Every number anywhere that may be a score.
    pub scores: Vec<Lined<Stated>>,
}

impl Readme {
    /// Reads the text line by line. Tables inside code blocks are examples and are passed over.
    pub fn parse(text: &str) -> Readme {
        let mut readme = Readme { nats: nats::pairs(text), ..Readme::default() };
        let mut tables = Tables::default();
        let mut fenced = false;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim();
            if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
                fenced = !fenced;
            }
            if readme.scores.len() < MAX_ITEMS {
                readme.scores.extend(prose::scores(trimmed).into_iter().map(|stated| Lined::new(stated, number)));
            }
            let in_table = tables.line(&mut readme.tables, trimmed, number, fenced);
            if readme.mentions.len() < MAX_ITEMS {
                readme.mentions.extend(mentions::of_line(trimmed, number, fenced, &tables.section));
            }
            let rendered = if fenced { Vec::new() } else { headline::claims(trimmed, number) };
            if !rendered.is_empty() {
                readme.headline = rendered;
            } else if !in_table && readme.prose.len() < MAX_ITEMS {
                readme.prose.extend(prose::claims(trimmed, number, fenced));
            }
        }
        readme
    }

    /// Returns the claims of the tables about seeds: per seed, and in rows named mean or std. The first such table is
    /// the submission's; a further one may be of other runs of the same seeds, so its claims are loose.
    pub fn claims(&self) -> Vec<Claim> {
        let mut claims: Vec<Claim> = Vec::new();
        for table in self.tables.iter().filter(|table| !table.is_elsewhere()) {
            let further = !claims.is_empty();
            claims.extend(table.claims().into_iter().map(|claim| Claim { loose: claim.loose || further, ..claim }));
        }
        claims
    }

    /// Rows of other tables that state a score and more.
    pub fn scored_rows(&self) -> Vec<ScoredRow> {
        self.tables.iter().flat_map(Table::scored_rows).take(MAX_ITEMS).collect()
    }
}

/// The table that is being read.
#[derive(Default)]
struct Tables {
    section: String,
    header: Option<Vec<String>>,
    inside: bool,
}

impl Tables {
    /// Takes one line; true when it belongs to a table.
    fn line(&mut self, tables: &mut Vec<Table>, line: &str, number: u64, fenced: bool) -> bool {
        if !fenced && line.starts_with('#') {
            self.section = line.trim_start_matches('#').trim().to_owned();
        }
        if fenced || !line.contains('|') {
            (self.header, self.inside) = (None, false);
            return false;
        }
        let cells = cells(line);
        if self.inside {
            if let Some(table) = tables.last_mut().filter(|table| table.rows.len() < MAX_ROWS) {
                table.rows.push(Row { line: number, cells, text: line.to_owned() });
            }
        } else if let Some(header) = self.header.take_if(|header| is_rule(&cells) && header.len() == cells.len()) {
            if tables.len() < MAX_TABLES {
                tables.push(Table { section: self.section.clone(), header, rows: Vec::new() });
                self.inside = true;
            }
        } else {
            self.header = Some(cells);
            // `**val_bpb: 1.07** | **15.9 MB** | 8xH100` is a sentence until a rule follows.
            return line.starts_with('|');
        }
        true
    }
}

fn cells(line: &str) -> Vec<String> {
    let line = line.strip_prefix('|').unwrap_or(line);
    let line = line.strip_suffix('|').unwrap_or(line);
    line.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// Tells whether the row is a table's rule: `|---|:--:|`.
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| cell.contains('-') && cell.chars().all(|c| matches!(c, '-' | ':')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::{Field, Scope};

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
                (Field::ValBpb, Scope::Seed(42), 1.085, 5),
                (Field::ValBpb, Scope::Seed(42), 1.07, 5),
                (Field::BytesTotal, Scope::Seed(42), 15_932_897.0, 5),
                (Field::ValBpb, Scope::Mean, 1.0728, 6),
                (Field::ValBpbStd, Scope::Whole, 0.0006, 6),
                (Field::ValBpbStd, Scope::Whole, 0.0006, 7),
            ]
        );
        assert!(claims[1].loose && claims[2].stated.approximate && !claims[0].loose);
    }

    #[test]
    fn seeds_may_stand_across_and_units_in_the_cells() {
        let text = "| Metric | Seed 42 | Seed 7 | Mean | Std |\n|--|--|--|--|--|\n| val_bpb | 1.582 | 1.605 | 1.595 | 0.012 |\n\
                    | Artifact | 15.94 MB | 15,9 | | |\n";
        let claims = Readme::parse(text).claims();
        let found: Vec<_> = claims.iter().map(|c| (c.field, c.scope, c.stated.value)).collect();
        assert_eq!(
            found,
            [
                (Field::ValBpb, Scope::Seed(42), 1.582),
                (Field::ValBpb, Scope::Seed(7), 1.605),
                (Field::ValBpb, Scope::Mean, 1.595),
                (Field::ValBpbStd, Scope::Whole, 0.012),
                (Field::BytesTotal, Scope::Seed(42), 15_940_000.0),
            ]
        );
    }

    #[test]
    fn tables_about_other_runs_accuse_nobody() {
        let elsewhere = format!("## Ablations\n\n{TABLE}");
        assert_eq!(Readme::parse(&elsewhere).claims(), []);
        let second = Readme::parse(&format!("{TABLE}\n{TABLE}")).claims();
        let (first, second) = second.split_at(second.len() / 2);
        assert!(!first[0].loose && second.iter().all(|claim| claim.loose));
        let varied = "| Config | Seed | val_bpb |\n|--|--|--|\n| a | 1 | 1.1 |\n| b | 1 | 1.2 |\n";
        assert_eq!(Readme::parse(varied).claims(), []);
    }

    #[test]
    fn tables_in_code_blocks_and_without_seeds_state_nothing() {
        let fenced = format!("```\n{TABLE}```\n");
        assert_eq!(Readme::parse(&fenced).claims(), []);
        assert_eq!(Readme::parse("| Change | val_bpb |\n|--|--|\n| 9L | 1.1 |\n").claims(), []);
        assert_eq!(Readme::parse("a | b\nnot a table\n").tables, []);
    }

    #[test]
    fn a_row_with_a_score_states_the_rest_of_its_run() {
        let rows = Readme::parse("| Config | BPB | Steps |\n|--|--|--|\n| x | 1.3734 | 4,466 |\n").scored_rows();
        assert_eq!(rows.len(), 1);
        assert_eq!((rows[0].score.stated.value, rows[0].claims[0].stated.value), (1.3734, 4_466.0));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "\\PC{0,100}|([|:\n#`-]|seed|val_bpb|mean|std|MB|bytes|±|[0-9.,~ ]){0,60}") {
            let readme = Readme::parse(&text);
            let _ = (readme.claims(), readme.scored_rows());
        }
    }
}
