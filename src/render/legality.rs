//! The legality statement: each condition, how the engine meets it, and which part of that was checked on these runs.
//!
//! There are five answers: `yes` and `no` were measured from the logs and ledgers; `by construction` is a property of
//! the engine that its tests check and these runs do not prove; `unknown` is a question that no file here can answer;
//! `not demanded` is a rule of the record track alone that a run of another track does not meet or does not show.

use serde::Serialize;

use super::facts::{Facts, Track};
use super::numbers;
use super::results::{MetricKind, Results};
use crate::artifact::Limits;
use caddie_files::text::thousands;

/// One line of the statement.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    /// Id of a rule in the rulebook, or one of the conditions of #1017 (docs/spec/rules.md#the-four-conditions).
    pub rule: &'static str,
    /// The demand.
    pub demand: String,
    /// The reason why it is met, and the way in which that was checked.
    pub basis: String,
    pub answer: Answer,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Answer {
    #[serde(rename = "yes")]
    Yes,
    #[serde(rename = "**no**")]
    No,
    #[serde(rename = "by construction")]
    ByConstruction,
    #[serde(rename = "unknown")]
    Unknown,
    #[serde(rename = "not demanded")]
    NotDemanded,
}

impl Answer {
    pub(super) fn measured(holds: Option<bool>) -> Answer {
        match holds {
            Some(true) => Answer::Yes,
            Some(false) => Answer::No,
            None => Answer::Unknown,
        }
    }

    /// Returns the measured answer; `None` for a statement that these runs do not prove.
    pub fn flag(self) -> Option<bool> {
        match self {
            Answer::Yes => Some(true),
            Answer::No => Some(false),
            Answer::ByConstruction | Answer::Unknown | Answer::NotDemanded => None,
        }
    }
}

/// Every statement, in the order of the README.
pub fn statements(facts: &Facts) -> Vec<Statement> {
    let mut all = conditions(facts).to_vec();
    all.extend(isolation(facts));
    all.extend(accounting(facts));
    let measured = facts.measured();
    all.extend([train_time(&measured), eval_time(&measured)]);
    all.extend(hardware(&measured));
    all.push(seeds(facts));
    all
}

/// The four conditions of #1017.
fn conditions(facts: &Facts) -> [Statement; 4] {
    let kind = facts.results.kind();
    let ttt = kind == MetricKind::Ttt;
    let carried = facts.results.metric.contains("across_documents");
    let causal = "Attention is masked to earlier positions; nothing looks ahead.";
    let adapters = "Adapters know a document's earlier chunks only, and start anew with each document.";
    let tested = "The engine's tests change the tokens after t and demand the same loss at t, bit for bit (f32, CPU).";
    let own = |rule, demand: &str, basis: String| {
        // A proven leak says that one of the four is broken, and not which.
        let answer = match &facts.probe {
            Some(probe) if probe.leak_proven => Answer::No,
            _ if kind == MetricKind::Other => Answer::Unknown,
            _ => Answer::ByConstruction,
        };
        Statement { rule, demand: demand.to_owned(), basis, answer }
    };
    let update = if kind == MetricKind::Ogd && carried {
        "The losses of some windows enter the ledger, then a bias over the vocabulary takes one step down their gradient. It is \
         carried from document to document, so that a score depends on the documents before it; the model's own weights \
         never change."
    } else if kind == MetricKind::Ogd {
        "A stride's losses enter the ledger, then a bias over the vocabulary takes one step down their gradient. It begins at \
         zero in each document; the model's own weights never change."
    } else if ttt {
        "A chunk's losses enter the ledger, then its adapters take their step; the last chunk of a document is never \
         trained on. Adapters and optimizer state are reset for each document; the model's own weights never change."
    } else {
        "Evaluation changes no state: no gradient step, no cache of scored tokens."
    };
    let vocab = facts.recipe.integer("model.vocab_size").map_or("all".to_owned(), |size| format!("all {size}"));
    [
        own(
            "C1 causal",
            "a token's distribution depends on the artifact and earlier tokens only",
            [
                causal,
                if ttt { adapters } else { "" },
                tested,
                facts.probe.as_ref().map_or("", |probe| probe.says.as_str()),
            ]
            .into_iter()
            .filter(|sentence| !sentence.is_empty())
            .collect::<Vec<_>>()
            .join(" "),
        ),
        own(
            "C2 normalized",
            "the distribution sums to 1 over the vocabulary, whichever token came",
            format!(
                "The loss is the cross-entropy of one softmax over {vocab} tokens; there is no second expert to mix in."
            ),
        ),
        own("C3 score before update", "a loss is final before any state learns from its token", update.to_owned()),
        own(
            "C4 single pass",
            "every token is scored once, left to right, and no loss is replaced",
            format!(
                "One evaluation gives the score; its ledger has one row for each of {} documents, {} tokens in all.",
                thousands(facts.scored.documents),
                thousands(facts.scored.tokens)
            ),
        ),
    ]
}

fn isolation(facts: &Facts) -> [Statement; 5] {
    let calibration = match facts.recipe.integer("quant.calibration.gptq_calibration_batches") {
        Some(batches) => format!(
            "quantization is calibrated on {batches} batches of `fineweb_train_*`, inside the training clock, and on nothing else"
        ),
        None => "quantization reads the weights alone".to_owned(),
    };
    let built = |rule, demand: &str, basis: String| Statement {
        rule,
        demand: demand.to_owned(),
        basis,
        answer: Answer::ByConstruction,
    };
    [
        built(
            "val-no-train",
            "validation data do not enter the model before evaluation",
            format!(
                "Training takes gradients from `fineweb_train_*` alone; the loop's validation lines are printed and \
                 decide nothing; {calibration}."
            ),
        ),
        Statement {
            rule: "val-no-payload",
            demand: "the model file holds no validation tokens".to_owned(),
            basis: facts.payload.basis(),
            answer: Answer::measured(facts.payload.clean()),
        },
        built(
            "train-data-eval",
            "evaluation reads no training data and no network",
            "It opens the model file, the validation shards and the tokenizer. Only building the engine may fetch crates."
                .to_owned(),
        ),
        built(
            "size-scored-artifact",
            "the score is that of the compressed model, loaded again",
            "Every final metric is computed after reading the model file back; its size is the one in the log.".to_owned(),
        ),
        Statement {
            rule: "val-train-disjoint, val-full",
            demand: "the shards are the challenge's, and training shards hold no validation document".to_owned(),
            basis: "A folder cannot show it: the shards are not part of it. Compare the counts above with a run on yours."
                .to_owned(),
            answer: Answer::Unknown,
        },
    ]
}

fn accounting(facts: &Facts) -> [Statement; 4] {
    let results = &facts.results;
    let source = match facts.recipe.text("data.tokenizer") {
        Some("byte260") => "each byte token is one byte",
        _ => "byte counts come from the tokenizer's own `.model` file",
    };
    [
        Statement {
            rule: "byte accounting, arithmetic",
            demand: "val_bpb is Σ nats / ln 2 / Σ bytes".to_owned(),
            basis: "Recomputed from each seed's ledger: val_loss and val_bpb are the log's to the last digit."
                .to_owned(),
            // A run whose ledger gives another score is not opened (`FinishedRun::open`).
            answer: Answer::Yes,
        },
        Statement {
            rule: "byte accounting, bytes",
            demand: "the bytes are the UTF-8 bytes of the scored text".to_owned(),
            basis: format!("Σ bytes is {}; {source}.", thousands(facts.scored.bytes)),
            answer: Answer::ByConstruction,
        },
        size(&facts.measured()),
        Statement {
            rule: "size-code-representation",
            demand: "the counted code is the code that ships".to_owned(),
            basis: format!(
                "`train_gpt.py` has {} bytes, the `Code size` of every log; the engine's whole source is in it.",
                thousands(facts.launcher_bytes)
            ),
            answer: Answer::measured(Some(results.bytes_code == Some(facts.launcher_bytes))),
        },
    ]
}

/// The facts that logs show of any entry, whoever trained it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured<'a> {
    pub results: &'a Results,
    pub limits: &'a Limits,
    pub track: &'a Track,
}

pub(super) fn size(of: &Measured<'_>) -> Statement {
    let (limit, total) = (of.limits.bytes_total, of.results.bytes_total_max());
    let basis = match total {
        Some(total) => format!("The largest seed has {}.", thousands(total)),
        None => "A log states no size of the model or of the code.".to_owned(),
    };
    Statement {
        rule: "size-every-seed",
        demand: format!("code and compressed model are at most {} bytes", thousands(limit)),
        basis,
        answer: Answer::measured(total.map(|total| total <= limit)),
    }
}

pub(super) fn train_time(of: &Measured<'_>) -> Statement {
    let limit = of.limits.train_seconds;
    let most = limit + of.limits.train_tolerance_seconds;
    let longest = of.results.train_seconds_max();
    let basis = match longest {
        None => "A log states no training time.".to_owned(),
        Some(longest) => {
            let step = if longest > limit && longest <= most { ", within the tolerance of the last step" } else { "" };
            format!(
                "The longest run took {} s{step}. Warm-up with restored state and validation are not counted.",
                numbers::seconds(longest)
            )
        }
    };
    limited(of, "time-train-600", format!("training takes at most {limit} s"), basis, longest.map(|s| s <= most))
}

pub(super) fn eval_time(of: &Measured<'_>) -> Statement {
    let limit = of.limits.eval_seconds;
    let longest = of.results.eval_seconds_max();
    let basis = match longest {
        None => "A log states no evaluation time.".to_owned(),
        Some(longest) => format!("The longest took {} s.", numbers::seconds(longest)),
    };
    limited(of, "time-eval-600", format!("evaluation takes at most {limit} s"), basis, longest.map(|s| s <= limit))
}

/// `None` where the challenge demands no machine.
pub(super) fn hardware(of: &Measured<'_>) -> Option<Statement> {
    let machine = of.track.hardware.as_ref()?;
    let results = of.results;
    let known = !results.hardware.is_empty() && !results.world_sizes.is_empty();
    let right = results.hardware.iter().all(|gpu| machine.is_named_by(gpu))
        && results.world_sizes.iter().all(|&processes| processes == machine.gpus);
    let stated =
        if known { format!("The logs say: {}.", results.hardware()) } else { "The logs do not say.".to_owned() };
    let demand = format!("the times are those of {} {}", machine.gpus, machine.name);
    Some(limited(of, "time-hw-8xh100-sxm", demand, stated, known.then_some(right)))
}

fn seeds(facts: &Facts) -> Statement {
    let runs = facts.results.runs.len() as u64;
    Statement {
        rule: "stat-seeds",
        demand: format!("at least {} runs of one configuration", facts.limits.seeds),
        basis: format!(
            "{runs} of one recipe, which is compared byte for byte; every `seed-*` folder of the runs is here."
        ),
        answer: Answer::measured(Some(runs >= facts.limits.seeds)),
    }
}

/// A demand of the record track; elsewhere it is told and not judged.
fn limited(of: &Measured<'_>, rule: &'static str, demand: String, basis: String, holds: Option<bool>) -> Statement {
    if of.track.is_record {
        Statement { rule, demand, basis, answer: Answer::measured(holds) }
    } else {
        let basis = format!("{basis} Not demanded on this track.");
        let answer = if holds == Some(true) { Answer::Yes } else { Answer::NotDemanded };
        Statement { rule, demand, basis, answer }
    }
}
