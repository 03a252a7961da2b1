//! The table of differences, as markdown.

use std::fmt;
use std::time::Duration;

use crate::reference::Reference;

pub struct Table {
    title: String,
    note: String,
    rows: Vec<Row>,
    times: Vec<String>,
}

struct Row {
    what: String,
    compared: String,
    difference: f64,
    allowed: f64,
}

impl Table {
    pub fn new(reference: &Reference) -> Table {
        let m = &reference.recipe.model;
        Table {
            title: reference.script.clone(),
            note: format!(
                "{} layers of {} dimensions, {} steps of {} tokens, f32. Changed in the script while it ran: {}.",
                m.num_layers(),
                m.model_dim,
                reference.steps.len(),
                reference.recipe.train.train_batch_tokens,
                match reference.patches.as_object() {
                    Some(patches) if !patches.is_empty() => {
                        patches
                            .iter()
                            .map(|(key, value)| format!("{key}: {}", value.as_str().unwrap_or("changed")))
                            .collect::<Vec<_>>()
                            .join("; ")
                    }
                    _ => "nothing".to_owned(),
                }
            ),
            rows: Vec::new(),
            times: Vec::new(),
        }
    }

    /// One line: the largest difference that was seen, and the largest that is allowed. What is no number is none of them.
    pub fn row(&mut self, what: &str, compared: impl Into<String>, difference: f64, allowed: f64) {
        let difference = difference.abs();
        self.rows.push(Row { what: what.to_owned(), compared: compared.into(), difference, allowed });
    }

    /// One sentence on how long both took for the same work, where the script's time was recorded. Nothing is asserted of it.
    pub fn time(&mut self, what: &str, script_seconds: Option<f64>, engine: Duration) {
        let Some(script) = script_seconds else { return };
        let (engine, threads) = (engine.as_secs_f64(), tch::get_num_threads());
        self.times.push(format!(
            "Scored by a {what}: the script took {script:.1} s, the engine {engine:.1} s with {threads} of its threads, a factor of {:.1}.",
            script / engine
        ));
    }

    pub fn agrees(&self) -> bool {
        self.rows.iter().all(Row::agrees)
    }
}

impl Row {
    fn agrees(&self) -> bool {
        self.difference <= self.allowed
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.note)?;
        writeln!(f, "| what | compared | largest difference | allowed | |\n|---|---|---|---|---|")?;
        for row in &self.rows {
            let verdict = if row.agrees() { "agrees" } else { "**differs**" };
            let number = |n: f64| if n == 0.0 { "0".to_owned() } else { format!("{n:.2e}") };
            let (difference, allowed) = (number(row.difference), number(row.allowed));
            writeln!(f, "| {} | {} | {difference} | {allowed} | {verdict} |", row.what, row.compared)?;
        }
        self.times.iter().try_for_each(|sentence| write!(f, "\n{sentence}\n"))?;
        writeln!(f)
    }
}
