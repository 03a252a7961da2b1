//! Documents that are scored in another order than that of the stream, while learning carries over from one to the next
//! (#402).
//!
//! An order alone is no matter: documents that share no state may be batched by length (#77).

use super::super::taint::Flags;
use super::super::trace::{Action, EventKind};
use super::adapt::{Pair, UpdateOrder, pairs};
use super::{Case, Family, Lead, Needs, Rule, step};
use caddie_rulebook::{Confidence, Severity};

/// Metadata of the family.
pub const FAMILY: Family = Family {
    name: "order-of-documents",
    about: "Documents are scored in the order of the stream wherever learning carries over from one to the next.",
    rules: &[Rule {
        id: "val-order",
        needs: &[Needs::of(Flags::VAL.with(Flags::REORDERED), &[EventKind::Update, EventKind::Report])],
    }],
    by_command: &[],
    beside: Needs::of(Flags::SHUFFLED, &[EventKind::Score, EventKind::Loss]),
    run,
};

fn run(case: &Case<'_>) -> Vec<Lead> {
    let scores = case.scores();
    let pairs = pairs(case, &scores);
    let found = pairs.iter().find_map(|pair| {
        let (Action::Score { data } | Action::Loss { data }) = &pair.score.action else { return None };
        let flags = case.taints.flags(*data);
        let found =
            pair.order == UpdateOrder::Earlier && flags.has(Flags::REORDERED) && from_another_document(case, pair);
        found.then_some((pair, flags))
    });
    let Some((pair, flags)) = found else { return Vec::new() };
    let drawn = flags.has(Flags::SHUFFLED);
    let how = if drawn { "drawn at random" } else { "that is sorted" };
    let (confidence, because) = case.confidence(pair.update);
    vec![Lead {
        rule: "val-order",
        confidence: confidence.min(if drawn { Confidence::Medium } else { Confidence::Low }),
        message: format!("documents are scored in an order {how}, and learning carries over from one to the next"),
        because: match drawn {
            true => format!("{because}; it is assumed that this is the order of the documents"),
            false => "records that sort documents by length and learn from one to the next were merged".to_owned(),
        },
        steps: vec![
            step(pair.score, "the loss is taken, of tokens chosen by that order"),
            step(pair.update, "what is learnt here reaches the tokens that come after"),
        ],
        clears: "score the documents in the order of the shard, or begin each anew",
        at_most: (!drawn).then_some(Severity::Info),
    }]
}

/// Tells whether the update was made in an earlier iteration of the outermost loop over the data: the loops within it
/// run over the parts of one document.
fn from_another_document(case: &Case<'_>, pair: &Pair<'_>) -> bool {
    let (Action::Update { data: used, .. }, Action::Score { data: scored } | Action::Loss { data: scored }) =
        (&pair.update.action, &pair.score.action)
    else {
        return false;
    };
    let (used, scored) = (case.taints.get(*used), case.taints.get(*scored));
    let mut over_data = pair
        .score
        .place
        .loops
        .iter()
        .filter_map(|stamp| Some((used.iteration(stamp.entered)?, scored.iteration(stamp.entered)?)));
    over_data.next().is_some_and(|(used, scored)| used < scored)
}
