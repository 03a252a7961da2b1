//! The folder's own statements about its improvement: t, df and p, the baseline, and differences in nats.

use super::baseline::{Baseline, runs_of};
use super::named;
use crate::checks::Context;
use crate::report::{Code, Confidence, Finding, Severity, p_value};
use caddie_folder::Lined;
use caddie_folder::{NatsPair, Stated};
use caddie_rulebook::stats::{Sample, TTest, Unit, mean, one_sample, pooled, same_alphabet, welch};

/// Keys in submission.json, in every spelling.
const STATISTIC: [&str; 4] = ["t_statistic", "t_stat", "t_value", "welch_t"];
const DEGREES: [&str; 2] = ["welch_df", "df"];
const P_VALUE: [&str; 3] = ["p_value", "p_val", "welch_p"];
const BASELINE_PR: [&str; 2] = ["comparison_baseline_pr", "baseline_pr"];
const BASELINE_BPB: [&str; 2] = ["comparison_baseline_bpb", "baseline_bpb"];
/// Difference within which a quoted baseline agrees, because the leaderboard rounds.
const ROUNDED: f64 = 1e-4;

/// Returns a number at the top of submission.json under one of `names`, and the key.
fn stated(context: &Context<'_>, names: &[&'static str]) -> Option<(&'static str, Lined<Stated>)> {
    let metadata = context.folder.metadata()?;
    names.iter().find_map(|name| Some((*name, metadata.number(name)?)))
}

/// Reports a baseline that submission.json names and that is not the record that stood.
pub fn baseline(context: &Context<'_>, standing: &Baseline) -> Option<Finding> {
    if context.against.is_some() || !context.competes() {
        return None;
    }
    let (key, Lined { value, line }, what) = if let Some((key, stated)) = stated(context, &BASELINE_BPB) {
        let value = stated.value;
        let same = value.agrees(standing.val_bpb) || (value.value - standing.val_bpb).abs() < ROUNDED;
        (!same).then(|| (key, stated, format!("val_bpb {}", value.value)))?
    } else {
        let (key, stated) = stated(context, &BASELINE_PR)?;
        let same = standing.pr.is_some_and(|pr| stated.value.agrees(pr as f64));
        (!same).then(|| (key, stated, format!("PR #{}", stated.value.value)))?
    };
    let message = format!("compares with {what}; the record that stood by the final ladder is {}", named(standing));
    let finding = context.finding("stat-baseline", message).severity(Severity::Info).claimed(value.value);
    Some(finding.at(context.json_name(), Some(line), format!("\"{key}\": {}", value.value)))
}

/// Tells whether README.md names the margin, as `0.005 nats` or `the 0.005-nat bar`. It then claims that the margin is
/// cleared.
pub fn names_margin(context: &Context<'_>, margin: f64) -> bool {
    let margin = margin.to_string();
    let text = caddie_files::read_text(&context.folder.path.join("README.md")).unwrap_or_default();
    text.match_indices(&margin).any(|(at, _)| {
        let before = text.get(..at).is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_digit() || c == '.'));
        let after = text.get(at + margin.len()..).unwrap_or_default();
        before && after.trim_start_matches([' ', '-', '*', '`']).to_ascii_lowercase().starts_with("nat")
    })
}

/// Recomputes claimed t, df and p against the named baseline, else against the one at hand.
pub fn statistics(context: &Context<'_>, at_hand: Option<&Baseline>) -> Vec<Finding> {
    let claims: Vec<_> =
        [&STATISTIC[..], &DEGREES, &P_VALUE].into_iter().filter_map(|names| stated(context, names)).collect();
    let runs = runs_of(context.folder);
    if claims.is_empty() || runs.len() < 2 {
        return Vec::new();
    }
    let named_pr = stated(context, &BASELINE_PR).map(|(_, pr)| pr.value.value as u64);
    let row = named_pr.and_then(|pr| context.rulebook.records.pull_request(pr)).map(Baseline::of_row);
    let sure = row.is_some();
    let Some(baseline) = row.as_ref().or(at_hand) else { return Vec::new() };
    let margin = context.rulebook.policies.iter().map(|policy| policy.margin).fold(0.0, f64::max);
    let known = Recomputed::all(&runs, baseline, margin);

    let mut findings = Vec::new();
    for (key, Lined { value: claim, line }) in claims {
        let reading: fn(&TTest) -> [f64; 2] = match key {
            _ if STATISTIC.contains(&key) => |test| [test.statistic, -test.statistic],
            _ if DEGREES.contains(&key) => |test| [test.df, test.df],
            // Two-sided as well: the README does not say.
            _ => |test| [test.p_value, 2.0 * test.p_value.min(1.0 - test.p_value)],
        };
        let shown = |value: f64| if P_VALUE.contains(&key) { p_value(value) } else { format!("{value:.4}") };
        let gives = |test: &&Recomputed| reading(&test.test).iter().any(|value| claim.agrees(*value));
        let found = known.iter().filter(|test| !test.population || two_digits(&claim)).find(gives);
        let what = match found {
            Some(test) if !test.population => continue,
            Some(test) => format!("it is that of the {} test with the population std, not the sample std", test.name),
            None => {
                let nearest = known.first().map(|test| (test.name, reading(&test.test)[0]));
                let nearest = nearest.map(|(name, value)| format!("; {name} in bpb gives {}", shown(value)));
                format!("no t-test of the logs against {} gives it{}", named(baseline), nearest.unwrap_or_default())
            }
        };
        let message = format!("{key} {} is claimed: {what}", claim.value);
        // Against which baseline and with which margin a bare number was computed is a guess unless it is named.
        let (severity, confidence) =
            if sure { (Severity::Warning, Confidence::High) } else { (Severity::Info, Confidence::Low) };
        let finding = context.finding("stat-p01", message).severity(context.on_record(severity)).confidence(confidence);
        let text = format!("\"{key}\": {}", claim.value);
        findings.push(finding.claimed(claim.value).at(context.json_name(), Some(line), text));
    }
    findings
}

/// Tells whether the claim has two digits at least; one digit fits too many numbers to say how it came about.
fn two_digits(claim: &Stated) -> bool {
    claim.value.abs() * 10f64.powi(claim.decimals) >= 9.5
}

/// A test that a submitter may have made.
struct Recomputed {
    name: &'static str,
    /// True if the population standard deviation was used in place of the sample's.
    population: bool,
    test: TTest,
}

impl Recomputed {
    fn all(runs: &Sample, baseline: &Baseline, margin: f64) -> Vec<Recomputed> {
        let mut found = Vec::new();
        let comparable = super::table::one_alphabet(runs, baseline) == Some(true);
        for margin in [0.0, margin] {
            for unit in [Unit::Bpb, Unit::NatsPerToken].into_iter().filter(|unit| *unit == Unit::Bpb || comparable) {
                let (Some(values), Some(others)) = (runs.values(unit), baseline.sample.values(unit)) else { continue };
                let value = mean(&others).unwrap_or(baseline.val_bpb);
                let n = values.len() as f64;
                let mut add = |name, test: Result<TTest, _>, population| {
                    found.extend(test.ok().map(|test| Recomputed { name, population, test }));
                };
                add("Welch", welch(&values, &others, margin), false);
                let one = one_sample(&values, value - margin);
                add("one-sample", one, false);
                add("pooled", pooled(&values, &others, margin), false);
                // The population form divides by n, so that its statistic is larger; df is the same for equal n.
                let inflated = |test: TTest| TTest::of(test.statistic * (n / (n - 1.0)).sqrt(), test.df);
                add("one-sample", one.and_then(inflated), true);
                if values.len() == others.len() {
                    add("Welch", welch(&values, &others, margin).and_then(inflated), true);
                }
            }
        }
        found
    }
}

/// Reports differences in nats that fit those in bits per byte by another tokenizer's ratio, and not by the folder's
/// own.
pub fn nats(context: &Context<'_>) -> Option<Finding> {
    let ladder = &context.rulebook.records;
    let own = runs_of(context.folder).ratio()?;
    // Nats per byte, as some read the README's 0.005, are a unit of their own and not another tokenizer's.
    let per_byte = |pair: &NatsPair| pair.fits(std::f64::consts::LN_2.recip());
    let foreign = |pair: &NatsPair| {
        let others = ladder.alphabets.iter().filter(|alphabet| !same_alphabet(alphabet.ratio(), own));
        let fitting: Vec<_> = others.filter(|alphabet| pair.fits(alphabet.ratio())).collect();
        match fitting.as_slice() {
            [one] if !pair.fits(own) && !per_byte(pair) => Some(one.id.clone()),
            _ => None,
        }
    };
    let in_json = json_pairs(context);
    let in_readme = context.folder.readme.iter().flat_map(|readme| &readme.nats);
    let file = readme_name(context);
    let places = in_json.iter().map(|pair| (context.json_name().to_owned(), pair));
    let places = places.chain(in_readme.map(|pair| (file.clone(), pair)));
    let wrong: Vec<_> = places.filter_map(|(file, pair)| Some((file, pair, foreign(pair)?))).collect();
    let largest = |a: &&(_, &NatsPair, _), b: &&(_, &NatsPair, _)| a.1.bpb.value.abs().total_cmp(&b.1.bpb.value.abs());
    let (_, first, alphabet) = wrong.iter().max_by(largest)?;
    let name = ladder.alphabet(own).map_or_else(|| format!("{own:.5}"), |own| own.id.clone());
    let message = format!(
        "{} bpb is called {} nats per token, which is {alphabet}'s ratio; with that of these logs ({name}) it is {:.5}",
        as_written(&first.bpb),
        as_written(&first.nats),
        first.bpb.value / own
    );
    let finding = context.finding("stat-margin", message).code(Code::NatsAcrossTokenizers).severity(Severity::Info);
    let finding = finding.confidence(Confidence::Medium).measured(first.bpb.value / own).claimed(first.nats.value);
    Some(wrong.iter().fold(finding, |finding, (file, pair, _)| {
        finding.at(file.clone(), Some(pair.line), pair.text.chars().take(200).collect::<String>())
    }))
}

/// Writes a number with the digits that it was stated with.
fn as_written(stated: &Stated) -> String {
    format!("{:.*}", stated.decimals as usize, stated.value)
}

fn readme_name(context: &Context<'_>) -> String {
    let readme = context.folder.files.iter().find(|file| file.path.as_str().eq_ignore_ascii_case("readme.md"));
    readme.map_or_else(|| "README.md".to_owned(), |file| file.path.to_string())
}

/// Pairs `delta_vs_base_bpb` with `delta_vs_base_nats` or `delta_vs_base_loss_nats`.
fn json_pairs(context: &Context<'_>) -> Vec<NatsPair> {
    let Some(metadata) = context.folder.metadata() else { return Vec::new() };
    let pair = |key: &String| {
        let stem = key.strip_suffix("_bpb").filter(|stem| stem.starts_with("delta"))?;
        let of = |other: String| metadata.number(&other).map(|nats| (other, nats));
        let (other, Lined { value: nats, line }) =
            of(format!("{stem}_nats")).or_else(|| of(format!("{stem}_loss_nats")))?;
        let bpb = metadata.number(key)?.value;
        let text = format!("\"{key}\": {}, \"{other}\": {}", bpb.value, nats.value);
        Some(NatsPair { bpb, nats, text, line })
    };
    metadata.numbers.iter().filter_map(|(key, ..)| pair(key)).collect()
}
