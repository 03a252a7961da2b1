//! The legality statement of a script's entry: what the logs show is measured, everything else is unknown.

use super::{ScriptEntry, ScriptFacts};
use crate::render::legality::{self, Answer, Measured, Statement};
use caddie_files::text::thousands;

/// Rules that no log shows to be met, each with its demand.
const NOT_SHOWN: [(&str, &str); 8] = [
    ("C1 causal", "a token's distribution depends on the artifact and earlier tokens only"),
    ("C2 normalized", "the distribution sums to 1 over the vocabulary, whichever token came"),
    ("C3 score before update", "a loss is final before any state learns from its token"),
    ("C4 single pass", "every token is scored once, left to right, and no loss is replaced"),
    ("val-no-train", "validation data do not enter the model before evaluation"),
    ("train-data-eval", "evaluation reads no training data and no network"),
    ("size-scored-artifact", "the score is that of the compressed model, loaded again"),
    ("val-train-disjoint, val-full", "the shards are the challenge's, and training shards hold no validation document"),
];

/// Every statement, in the order of the README.
pub fn statements(entry: &ScriptEntry, facts: &ScriptFacts) -> Vec<Statement> {
    let measured = Measured { results: &facts.results, limits: &facts.limits, track: &entry.meta.track };
    let mut all: Vec<Statement> = NOT_SHOWN.iter().map(|(rule, demand)| not_shown(rule, demand)).collect();
    all.push(Statement {
        rule: "val-no-payload",
        demand: "the model file holds no validation tokens".to_owned(),
        basis: facts.payload.basis(),
        answer: Answer::measured(facts.payload.clean()),
    });
    all.push(Statement {
        rule: "byte accounting",
        demand: "val_bpb is Σ nats / ln 2 / Σ bytes of the scored text".to_owned(),
        basis: "The script computes it; its logs hold no row for each document to compute it from again.".to_owned(),
        answer: Answer::Unknown,
    });
    all.extend([legality::size(&measured), counted_code(facts)]);
    all.extend([legality::train_time(&measured), legality::eval_time(&measured)]);
    all.extend(legality::hardware(&measured));
    all.push(seeds(entry, facts));
    all
}

fn not_shown(rule: &'static str, demand: &str) -> Statement {
    Statement {
        rule,
        demand: demand.to_owned(),
        basis: "A log does not show it; `caddie audit` follows the script.".to_owned(),
        answer: Answer::Unknown,
    }
}

fn counted_code(facts: &ScriptFacts) -> Statement {
    let shipped = facts.script_bytes;
    let basis = match facts.results.bytes_code {
        Some(counted) => {
            format!("The logs count {} bytes; `train_gpt.py` has {}.", thousands(counted), thousands(shipped))
        }
        None => format!("The logs do not count one length of code; `train_gpt.py` has {} bytes.", thousands(shipped)),
    };
    Statement {
        rule: "size-code-representation",
        demand: "the counted code is the code that ships".to_owned(),
        basis,
        answer: Answer::measured(facts.results.bytes_code.map(|counted| counted == shipped)),
    }
}

fn seeds(entry: &ScriptEntry, facts: &ScriptFacts) -> Statement {
    let (runs, demanded) = (entry.runs.len() as u64, facts.limits.seeds);
    Statement {
        rule: "stat-seeds",
        demand: format!("at least {demanded} runs of one configuration"),
        basis: format!("{runs} of one script, command and environment, whose hashes and values are compared."),
        answer: Answer::measured(Some(runs >= demanded)),
    }
}
