//! From the two rates that a script prints to the total that it claims, and to what that proves.
//!
//! A script prints nats per token and bits per byte. Which targets it scored, and how often, it mostly does not say: a
//! sliding window may score its last tokens twice, and a remainder may be left out. The ratio of the two rates tells tokens
//! per byte, and the exact bytes of every target are known, so most ways of weighing the targets ([`Plan`]s) are excluded by
//! what was printed. The e-value is the smallest over all that are left.

mod sliding;

use serde::Serialize;

pub use self::sliding::{Last, Sliding};
use crate::evalue::{self, SLACK_PER_TARGET};

/// Targets at the end of the stream that a script may leave out or score twice, at most: four windows of a rehearsal.
pub const LONGEST_TAIL: usize = 1024;

/// Relative error of a ratio of rates by arithmetic in f32 alone.
const RATIO_ERROR: f64 = 2e-7;

/// A rate as printed, with half a unit of its last digit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Printed {
    pub value: f64,
    pub half_unit: f64,
}

impl Printed {
    /// A value that was printed with so many digits after the point.
    pub fn with_decimals(value: f64, decimals: u32) -> Printed {
        Printed { value, half_unit: 0.5 * 10f64.powi(-(decimals.min(17) as i32)) }
    }
}

/// The score that a script prints.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Claim {
    /// Nats per token, where the script prints them.
    pub val_loss: Option<Printed>,
    /// Bits per byte.
    pub val_bpb: Printed,
}

/// What is known of every target of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    /// −ln P given the tokens before, nats.
    pub nats: &'a [f64],
    /// Bytes as the challenge counts them.
    pub bytes: &'a [u32],
}

/// How often each target is scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "plan", content = "targets")]
pub enum Plan {
    /// Each once.
    Once,
    /// Each once, but for this many at the end, which are not scored.
    WithoutLast(usize),
    /// Each once, and this many at the end once more.
    LastTwice(usize),
    /// Windows that slide over the stream, of which each scores its last targets anew, those at the end too.
    Sliding(Sliding),
}

impl Plan {
    /// The plan in words.
    pub fn says(self) -> String {
        match self {
            Plan::Once => "each target once".to_owned(),
            Plan::WithoutLast(n) => format!("each target once but for the last {n}, which are not scored"),
            Plan::LastTwice(n) => format!("each target once, and the last {n} once more"),
            Plan::Sliding(Sliding { window, stride, .. }) => {
                format!("windows of {window} every {stride} targets, which score the last ones several times")
            }
        }
    }
}

/// What the stream says under a plan, and what is claimed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Weighed {
    #[serde(flatten)]
    pub plan: Plan,
    /// Number of scorings.
    pub scored: usize,
    /// L_P of the scorings, nats.
    pub source_nats: f64,
    /// L: the claimed total of the scorings, nats.
    pub claimed_nats: f64,
    /// What the claimed total may be too low by rounding and arithmetic, nats.
    pub slack: f64,
    pub log_e: f64,
}

/// What a claim proves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Judged {
    /// The plan of the smallest e-value; `None` where no plan fits what was printed.
    pub worst: Option<Weighed>,
    /// Plans that fit.
    pub plans: usize,
    /// Tokens per byte, from the printed rates.
    pub printed_tokens_per_byte: Option<f64>,
    /// Tokens per byte of the stream.
    pub tokens_per_byte: f64,
}

impl Judged {
    /// The log e-value; where no plan fits nothing is known.
    pub fn log_e(&self) -> Option<f64> {
        self.worst.map(|worst| worst.log_e)
    }
}

/// Judges a claim on a stream.
pub fn judge(claim: &Claim, targets: &Targets<'_>) -> Judged {
    let all = targets.nats.len();
    let total = Sums { scored: all, nats: crate::sum(targets.nats.iter().copied()), bytes: bytes(targets.bytes) };
    let once = Weighing { plan: Plan::Once, left_out: Sums::default(), again: Sums::default(), times: 1 };
    let tails = tails(targets, LONGEST_TAIL.min(all / 4)).flat_map(|end| {
        let (none, n) = (Sums::default(), end.scored);
        [
            Weighing { plan: Plan::WithoutLast(n), left_out: end, again: none, times: 1 },
            Weighing { plan: Plan::LastTwice(n), left_out: none, again: end, times: 2 },
        ]
    });
    let sliding = Sliding::all().filter(|sliding| 2 * sliding.window <= all).filter_map(|plan| sliding(plan, targets));
    let plans = std::iter::once(once).chain(tails).chain(sliding);
    let fitting: Vec<Weighed> = plans.filter_map(|plan| weigh(claim, &plan, &total)).collect();
    let worst = fitting.iter().copied().reduce(|a, b| if b.log_e < a.log_e { b } else { a });
    let printed = claim.val_loss.map(|loss| tokens_per_byte(loss.value, claim.val_bpb.value));
    Judged {
        worst,
        plans: fitting.len(),
        printed_tokens_per_byte: printed,
        tokens_per_byte: total.scored as f64 / total.bytes,
    }
}

/// Tokens per byte of a script: bits per byte, as nats per byte, over nats per token.
pub fn tokens_per_byte(val_loss: f64, val_bpb: f64) -> f64 {
    val_bpb * std::f64::consts::LN_2 / val_loss
}

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    scored: usize,
    nats: f64,
    bytes: f64,
}

impl Sums {
    /// The sums with `times` scorings of one more target.
    fn and(self, times: usize, nats: f64, bytes: u32) -> Sums {
        Sums {
            scored: self.scored + times,
            nats: self.nats + times as f64 * nats,
            bytes: self.bytes + times as f64 * f64::from(bytes),
        }
    }
}

/// A plan, and what it changes of scoring each target once.
struct Weighing {
    plan: Plan,
    /// Targets that are not scored.
    left_out: Sums,
    /// Scorings beyond the first of a target.
    again: Sums,
    /// The most scorings of one target.
    times: usize,
}

fn bytes(of: &[u32]) -> f64 {
    of.iter().map(|bytes| f64::from(*bytes)).sum()
}

/// The last target, the last two, and so on.
fn tails<'a>(targets: &'a Targets<'_>, most: usize) -> impl Iterator<Item = Sums> + 'a {
    let backwards = targets.nats.iter().rev().zip(targets.bytes.iter().rev()).take(most);
    backwards.scan(Sums::default(), |sums, (nats, bytes)| {
        *sums = sums.and(1, *nats, *bytes);
        Some(*sums)
    })
}

/// What sliding windows score again; `None` where that is nothing.
fn sliding(plan: Sliding, targets: &Targets<'_>) -> Option<Weighing> {
    let times = plan.at_the_end(targets.nats.len());
    let (mut again, mut left_out) = (Sums::default(), Sums::default());
    for (times, (nats, bytes)) in times.iter().zip(targets.nats.iter().rev().zip(targets.bytes.iter().rev())) {
        match times.checked_sub(1) {
            Some(more) => again = again.and(more, *nats, *bytes),
            None => left_out = left_out.and(1, *nats, *bytes),
        }
    }
    let times = times.into_iter().max().unwrap_or(1);
    (again.scored + left_out.scored > 0).then_some(Weighing { plan: Plan::Sliding(plan), left_out, again, times })
}

/// The claim under a plan; `None` where the plan does not fit the printed rates.
fn weigh(claim: &Claim, plan: &Weighing, total: &Sums) -> Option<Weighed> {
    let usable = |printed: Printed| printed.value.is_finite() && printed.value > 0.0;
    if !usable(claim.val_bpb) || claim.val_loss.is_some_and(|loss| !usable(loss)) {
        return None;
    }
    let Weighing { left_out, again, times, .. } = plan;
    let scored = total.scored + again.scored - left_out.scored;
    let source_nats = total.nats + again.nats - left_out.nats;
    let bytes = total.bytes + again.bytes - left_out.bytes;
    let (claimed_nats, rounding) = match claim.val_loss {
        Some(loss) => {
            let printed = tokens_per_byte(loss.value, claim.val_bpb.value);
            let exact = scored as f64 / bytes;
            let relative = loss.half_unit / loss.value + claim.val_bpb.half_unit / claim.val_bpb.value + RATIO_ERROR;
            if (printed / exact - 1.0).abs() > relative {
                return None;
            }
            (loss.value * scored as f64, loss.half_unit * scored as f64)
        }
        None => {
            let nats = |bits: f64| bits * std::f64::consts::LN_2 * bytes;
            (nats(claim.val_bpb.value), nats(claim.val_bpb.half_unit))
        }
    };
    let slack = rounding + SLACK_PER_TARGET * scored as f64;
    let whole = evalue::log_e(source_nats, claimed_nats, slack);
    let log_e = if *times > 1 { several(whole, *times, again.nats) } else { whole };
    Some(Weighed { plan: plan.plan, scored, source_nats, claimed_nats, slack, log_e })
}

/// The log e-value where some targets were scored up to `times` times. Two are known, and their mean is one too:
///
/// - The whole divided by `times`: of a target whose scorings give the factors r₁ … rₖ with k ≤ m, the product of their m-th
///   roots has an expectation of at most 1, by Hölder's inequality.
/// - The whole less L_P of all scorings beyond the first, whose claimed losses are not below zero.
fn several(whole: f64, times: usize, source_nats_again: f64) -> f64 {
    evalue::average(&[whole / times as f64, whole - source_nats_again], 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NATS: [f64; 2000] = [5.0; 2000];

    fn stream() -> Vec<u32> {
        let mut dice = crate::dice::Dice::new(1, 0);
        (0..2000).map(|_| 1 + dice.below(64) as u32).collect()
    }

    /// What a script prints that scores every target at `loss` nats under weights.
    fn claim(loss: f64, weights: impl Fn(usize) -> f64, decimals: u32) -> Claim {
        let stream = stream();
        let scored: f64 = (0..2000).map(&weights).sum();
        let bytes: f64 = stream.iter().enumerate().map(|(at, bytes)| weights(at) * f64::from(*bytes)).sum();
        let bpb = loss * scored / std::f64::consts::LN_2 / bytes;
        let round = |value: f64| (value * 10f64.powi(decimals as i32)).round() / 10f64.powi(decimals as i32);
        Claim {
            val_loss: Some(Printed::with_decimals(round(loss), decimals)),
            val_bpb: Printed::with_decimals(round(bpb), decimals),
        }
    }

    fn judged(claim: &Claim) -> Judged {
        judge(claim, &Targets { nats: &NATS, bytes: &stream() })
    }

    #[test]
    fn each_target_once() {
        let judged = judged(&claim(4.9, |_| 1.0, 8));
        let worst = judged.worst.unwrap();
        assert_eq!(worst.plan, Plan::Once);
        // 0.1 nats of 2,000 targets, less the slack: half a unit of the eighth digit and 0.0001 of each.
        assert!((worst.log_e - (200.0 - 2000.0 * (1e-4 + 5e-9))).abs() < 1e-6, "{worst:?}");
        assert_eq!(worst.claimed_nats, 9800.0);
    }

    /// A mean over fewer or more scorings is not a total over the stream: the ratio of the rates exposes it.
    #[test]
    fn tails_that_are_left_out_or_counted_twice_are_seen() {
        let left_out = judged(&claim(4.9, |at| f64::from(u8::from(at < 1900)), 8));
        assert_eq!(left_out.worst.unwrap().plan, Plan::WithoutLast(100));
        let twice = judged(&claim(4.9, |at| if at < 1937 { 1.0 } else { 2.0 }, 8));
        let worst = twice.worst.unwrap();
        assert_eq!((worst.plan, worst.scored), (Plan::LastTwice(63), 2063));
        // Less than half of what the same loss proves without the second scorings.
        assert!(worst.log_e < 0.1 * 2064.0 / 2.0, "{worst:?}");
    }

    #[test]
    fn windows_that_slide_over_the_end_are_seen() {
        let plan = Sliding { window: 256, stride: 96, last: Last::Every };
        let weights: Vec<usize> = plan.at_the_end(2000);
        let claim = claim(4.9, |at| weights.get(1999 - at).map_or(1.0, |times| *times as f64), 8);
        assert_eq!(judged(&claim).worst.unwrap().plan, Plan::Sliding(plan));
    }

    /// With few digits several plans fit, and the least favorable counts.
    #[test]
    fn fewer_digits_prove_less() {
        let (fine, coarse) = (judged(&claim(4.9, |_| 1.0, 8)), judged(&claim(4.9, |_| 1.0, 4)));
        assert!(coarse.plans > fine.plans);
        assert!(coarse.log_e() < fine.log_e());
    }

    #[test]
    fn rates_that_no_plan_explains_prove_nothing() {
        let mut wrong = claim(4.0, |_| 1.0, 8);
        wrong.val_bpb.value *= 0.97;
        let judged = judged(&wrong);
        assert_eq!((judged.log_e(), judged.plans), (None, 0));
        assert!((judged.printed_tokens_per_byte.unwrap() / judged.tokens_per_byte - 0.97).abs() < 1e-6);
        for nonsense in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
            let claim = Claim { val_loss: Some(Printed::with_decimals(nonsense, 4)), ..claim(4.0, |_| 1.0, 4) };
            assert_eq!(super::judge(&claim, &Targets { nats: &NATS, bytes: &stream() }).log_e(), None, "{nonsense}");
        }
    }

    /// Without nats per token every plan is possible.
    #[test]
    fn bits_per_byte_alone_prove_what_the_worst_plan_proves() {
        let whole = claim(4.9, |_| 1.0, 8);
        let alone = judged(&Claim { val_loss: None, ..whole });
        assert!(alone.plans > 1 + 2 * 500);
        assert!(alone.log_e() < judged(&whole).log_e());
    }
}
