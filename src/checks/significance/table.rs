//! Every reading of "significantly better", side by side: three units, three tests, with the margin and without it.

use super::baseline::Baseline;
use crate::report::Significance;
use caddie_rulebook::stats::{Sample, TTest, Test, Undefined, Unit, mean, one_sample, pooled, same_alphabet, welch};
use caddie_rulebook::{Ladder, Policy};

/// Runs all tests of `sample` against `baseline` that `policies` ask for, and the pooled one beside them.
pub fn tests(sample: &Sample, baseline: &Baseline, policies: &[Policy], ladder: &Ladder) -> Vec<Significance> {
    let question = Question { sample, baseline, ladder };
    policies.iter().flat_map(|policy| question.policy(policy)).chain([question.pooled()]).collect()
}

/// Runs the one test by which `policy` is decided.
pub fn deciding(sample: &Sample, baseline: &Baseline, policy: &Policy, ladder: &Ladder) -> Significance {
    let question = Question { sample, baseline, ladder };
    question.test(Some(policy), question.decided_by(policy), policy.unit, policy.margin)
}

/// Tells whether both score the same tokens; `None` where either states no val_loss.
pub fn one_alphabet(sample: &Sample, baseline: &Baseline) -> Option<bool> {
    Some(same_alphabet(sample.ratio()?, baseline.sample.ratio()?))
}

struct Question<'a> {
    sample: &'a Sample,
    baseline: &'a Baseline,
    ladder: &'a Ladder,
}

impl Question<'_> {
    /// Runs a policy's tests. One with a margin is tested in every unit by every test, because it defines neither; one
    /// without a margin only in its own unit, because such a test has the same outcome in all units.
    fn policy(&self, policy: &Policy) -> Vec<Significance> {
        let mut rows = Vec::new();
        if policy.margin == 0.0 {
            rows.push(self.test(Some(policy), policy.test, policy.unit, policy.margin));
            return rows;
        }
        for test in [Test::OneSample, Test::Welch] {
            if test == Test::Welch && self.baseline.sample.is_empty() {
                continue;
            }
            rows.extend(Unit::ALL.map(|unit| self.test(Some(policy), test, unit, policy.margin)));
        }
        rows
    }

    fn pooled(&self) -> Significance {
        self.test(None, Test::Pooled, Unit::Bpb, 0.0)
    }

    /// Returns the policy's test, or the one-sample test where the baseline has too few runs for it.
    fn decided_by(&self, policy: &Policy) -> Test {
        if policy.margin > 0.0 && self.baseline.sample.len() < 2 { Test::OneSample } else { policy.test }
    }

    fn test(&self, policy: Option<&Policy>, test: Test, unit: Unit, margin: f64) -> Significance {
        let numbers = self.numbers(unit);
        let outcome = numbers.as_ref().map_err(Clone::clone).and_then(|(values, others, value)| {
            let outcome = match test {
                Test::OneSample => one_sample(values, value - margin),
                Test::Welch => welch(values, others, margin),
                Test::Pooled => pooled(values, others, margin),
            };
            outcome.map_err(|undefined| self.why_not(undefined, test))
        });
        let means = numbers.ok().map(|(values, _, value)| (mean(&values), value));
        let found: Option<TTest> = outcome.as_ref().ok().copied();
        Significance {
            policy: policy.map(|policy| policy.id.clone()),
            test: test.name().to_owned(),
            sample: self.sample.name.clone(),
            n: self.sample.len(),
            baseline: means.map(|(_, value)| value),
            baseline_name: self.baseline.name.clone(),
            baseline_n: self.baseline.sample.len(),
            unit: unit.name().to_owned(),
            margin,
            delta: means.and_then(|(mean, value)| Some(mean? - value)),
            statistic: found.map(|test| test.statistic),
            df: found.map(|test| test.df),
            p_value: found.map(|test| test.p_value),
            passes: policy.zip(found).map(|(policy, test)| test.p_value < policy.alpha),
            decides: policy.is_some_and(|policy| policy.unit == unit && self.decided_by(policy) == test),
            note: outcome.err(),
        }
    }

    /// Returns the runs, the baseline's runs and the baseline's mean in `unit`.
    fn numbers(&self, unit: Unit) -> Result<(Vec<f64>, Vec<f64>, f64), String> {
        let needs = |whose: &str| format!("{whose} no val_loss of one tokenizer, so nats per token are unknown");
        if unit == Unit::NatsPerToken {
            match one_alphabet(self.sample, self.baseline) {
                Some(true) => {}
                Some(false) => return Err(self.not_comparable()),
                None if self.sample.ratio().is_none() => return Err(needs("the runs state")),
                None => return Err(needs("the baseline states")),
            }
        }
        let values = self.sample.values(unit).ok_or_else(|| needs("the runs state"))?;
        let others = self.baseline.sample.values(unit).ok_or_else(|| needs("the baseline states"))?;
        let of_bpb = if unit == Unit::NatsPerByte { std::f64::consts::LN_2 } else { 1.0 };
        let value = mean(&others).unwrap_or(self.baseline.val_bpb * of_bpb);
        Ok((values, others, value))
    }

    fn not_comparable(&self) -> String {
        let name = |sample: &Sample| {
            let ratio = sample.ratio().unwrap_or(f64::NAN);
            let known = self.ladder.alphabet(ratio).map(|alphabet| alphabet.id.clone());
            known.unwrap_or_else(|| format!("no known tokenizer ({ratio:.5} bpb per nat)"))
        };
        format!("not comparable: {} against {}; compare in bpb", name(self.sample), name(&self.baseline.sample))
    }

    fn why_not(&self, undefined: Undefined, test: Test) -> String {
        match undefined {
            Undefined::NoSpread => "the runs have no spread".to_owned(),
            Undefined::TooFew if test == Test::OneSample => format!("needs 2 runs, has {}", self.sample.len()),
            Undefined::TooFew => {
                format!("needs 2 runs on each side, has {} and {}", self.sample.len(), self.baseline.sample.len())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caddie_rulebook::Rulebook;
    use caddie_rulebook::stats::Score;

    fn ladder() -> &'static Ladder {
        Ladder::builtin().expect("loads")
    }

    fn row(pr: u64) -> (Sample, Baseline) {
        let row = ladder().pull_request(pr).expect("a row");
        (row.evidence[0].sample(), Baseline::of_row(row))
    }

    fn all(sample: &Sample, baseline: &Baseline) -> Vec<Significance> {
        tests(sample, baseline, &Rulebook::builtin().expect("loads").policies, ladder())
    }

    #[test]
    fn one_tokenizer_is_tested_in_every_unit_and_each_policy_is_decided_once() {
        let rows = all(&row(1514).0, &row(1493).1);
        assert_eq!(rows.len(), 8);
        assert!(rows.iter().all(|row| row.p_value.is_some() && row.note.is_none()));
        let decided: Vec<_> = rows.iter().filter(|row| row.decides).collect();
        let [margin, frontier] = decided.as_slice() else { panic!("{decided:?}") };
        assert_eq!((margin.unit.as_str(), margin.test.as_str(), margin.passes), ("nats/token", "welch", Some(false)));
        assert!(margin.delta.is_some_and(|delta| (delta + 0.003023).abs() < 1e-6), "{margin:?}");
        assert_eq!((frontier.unit.as_str(), frontier.margin, frontier.passes), ("bpb", 0.0, Some(true)));
        assert!(rows.iter().any(|row| row.test == "pooled" && row.passes.is_none() && row.policy.is_none()));
    }

    #[test]
    fn nats_per_token_are_never_compared_across_tokenizers() {
        let rows = all(&row(1736).0, &row(1626).1);
        for row in rows.iter().filter(|row| row.unit == "nats/token") {
            assert_eq!(row.note.as_deref(), Some("not comparable: sp8192-caseops against sp8192; compare in bpb"));
            assert_eq!((row.p_value, row.passes, row.baseline, row.delta), (None, None, None, None));
        }
        assert!(rows.iter().filter(|row| row.unit != "nats/token").all(|row| row.p_value.is_some()));
    }

    #[test]
    fn a_bare_value_is_tested_by_the_one_sample_test_alone() {
        let (sample, _) = row(1514);
        let value = Baseline {
            name: "val_bpb 1.081".into(),
            pr: None,
            val_bpb: 1.081,
            sample: Sample { name: "a value".into(), scores: vec![] },
        };
        let rows = all(&sample, &value);
        assert!(rows.iter().all(|row| row.p_value.is_none() || row.test == "one-sample"));
        let noted = |unit: &str| {
            rows.iter().find(|row| row.unit == unit && row.test == "one-sample").and_then(|row| row.note.clone())
        };
        assert_eq!((noted("bpb"), noted("nats/byte")), (None, None));
        assert!(noted("nats/token").is_some_and(|note| note.starts_with("the baseline states no val_loss")));
    }

    #[test]
    fn one_run_decides_nothing() {
        let (sample, baseline) = row(1514);
        let alone = Sample { scores: sample.scores[..1].to_vec(), ..sample };
        assert!(all(&alone, &baseline).iter().all(|row| row.p_value.is_none() && row.note.is_some()));
        let silent = Sample { name: "x".into(), scores: vec![Score { seed: None, val_bpb: 1.0, val_loss: None }; 3] };
        let rows = all(&silent, &baseline);
        assert!(
            rows.iter()
                .any(|row| row.note.as_deref().is_some_and(|note| note.starts_with("the runs state no val_loss")))
        );
    }
}
