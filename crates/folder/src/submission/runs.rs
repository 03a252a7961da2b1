//! Claims of submission.json about each run, in the four shapes that participants use.

use super::aliases::{EACH_SEED, known_of_run};
use super::{Excluded, MAX_CLAIMS, MAX_SEEDS, Rerun, Submission, digest, number_claim, whole};
use crate::claim::{Claim, Field, Scope};
use crate::json::{Json, Node};
use crate::logged::Lined;
use crate::number::{Stated, Unit};

impl Submission {
    /// Reads `{"42": {…}}`, `[{"seed": 42, …}]`, or a bare list of seeds.
    pub(super) fn by_seed_entries(&mut self, key: &str, node: &Node) {
        for (name, entry) in node.entries() {
            let Some(seed) = seed_of(name) else { continue };
            let path = format!("{key}.{name}");
            match entry.value {
                // `seed_results: {"42": 1.0730}` gives the score alone; `runs: {"42": "a.log"}` gives none.
                Json::Number(_) => self.number_of_seed(seed, Field::ValBpb, path, entry),
                Json::Text(_) if entry.figure(Unit::One).is_some() || key == "seed_results" => {
                    self.number_of_seed(seed, Field::ValBpb, path, entry)
                }
                _ => self.run(entry.at(seed), &path, entry),
            }
        }
        for (index, entry) in node.items().iter().enumerate() {
            if let Some(seed) = entry.whole() {
                self.seeds.push(entry.at(seed));
            } else if let Some(seed) = entry.get("seed").and_then(|seed| Some(seed.at(seed.whole()?))) {
                self.run(seed, &format!("{key}[{index}]"), entry);
            }
        }
    }

    /// Reads `"seed_42": {"val_bpb": …}` at the top; returns false when the key is not of this form.
    pub(super) fn run_of_its_own(&mut self, key: &str, node: &Node) -> bool {
        let Some(seed) = key.strip_prefix("seed_").and_then(|seed| seed.parse().ok()) else { return false };
        self.run(node.at(seed), key, node);
        true
    }

    /// Reads `"val_bpb_seeds": {"42": 1.0730, …}`; returns false when the key is not of this form.
    pub(super) fn one_number_a_seed(&mut self, key: &str, node: &Node) -> bool {
        let Some((_, field)) = EACH_SEED.iter().find(|(known, _)| *known == key) else { return false };
        for (name, entry) in node.entries() {
            if let Some(seed) = seed_of(name).filter(|_| is_a_number(entry)) {
                self.number_of_seed(seed, *field, format!("{key}.{name}"), entry);
            }
        }
        true
    }

    /// Reads `"seeds": [42, 0], "seed_scores": [1.0906, 1.0908]`: the second list is in the order of the first.
    pub(super) fn in_order_of_seeds(&mut self, root: &Node) {
        let seeds: Vec<Option<i64>> = match root.get("seeds") {
            Some(list) => list.items().iter().map(Node::whole).collect(),
            None => Vec::new(),
        };
        for (key, field) in EACH_SEED {
            let Some(list) = root.get(key).filter(|node| matches!(node.value, Json::List(_))) else { continue };
            if list.items().len() != seeds.len() {
                // Which entry is whose is not said.
                self.extra.insert((*key).to_owned(), list.to_value());
                continue;
            }
            for (index, (seed, entry)) in seeds.iter().zip(list.items()).enumerate() {
                if let Some(seed) = seed.filter(|_| is_a_number(entry)) {
                    self.number_of_seed(seed, *field, format!("{key}[{index}]"), entry);
                }
            }
        }
    }

    fn number_of_seed(&mut self, seed: i64, field: Field, key: String, node: &Node) {
        self.seeds.push(node.at(seed));
        if let Some(stated) = self.figure(field, &key, node) {
            self.claim_number(field, Scope::Seed(seed), key, stated, node.line);
        }
    }

    fn run(&mut self, seed: Lined<i64>, key: &str, entry: &Node) {
        self.seeds.push(seed);
        for (name, node) in entry.entries() {
            if let Some((field, _)) = known_of_run(name).filter(|_| node.text().is_some()) {
                self.figure(field, &format!("{key}.{name}"), node);
            }
        }
        let room = MAX_CLAIMS.saturating_sub(self.claims.len());
        self.claims.extend(claims_of_run(seed.value, key, entry).into_iter().take(room));
        let digests = entry.entries().iter().filter(|(name, _)| name.starts_with("ledger"));
        self.ledgers.extend(digests.filter_map(|(_, node)| Some((seed.value, digest(node)?))));
    }

    /// Keeps runs of the same seeds under another setting apart from the claims, which decide the score.
    pub(super) fn rerun(&mut self, label: &str, node: &Node) {
        let mut rerun = Rerun { label: label.to_owned(), seeds: Vec::new(), claims: Vec::new() };
        for (name, entry) in node.get("seed_results").map(Node::entries).unwrap_or_default() {
            if let Some(seed) = seed_of(name).filter(|_| rerun.seeds.len() < MAX_SEEDS) {
                rerun.seeds.push(seed);
                rerun.claims.extend(claims_of_run(seed, &format!("{label}.seed_results.{name}"), entry));
            }
        }
        let over = [("rerun_mean_bpb", Field::ValBpb, Scope::Mean), ("rerun_std_bpb", Field::ValBpbStd, Scope::Whole)];
        for (key, field, scope) in over {
            if let Some((number, line)) = node.get(key).and_then(|node| Some((node.number()?, node.line))) {
                rerun.claims.push(number_claim(field, scope, format!("{label}.{key}"), number, line));
            }
        }
        self.reruns.push(rerun);
    }

    /// Finds more seeds than are reported, under a key that says "all runs", "all seeds", "disclosure" or "excluded".
    pub(super) fn disclosed(&mut self, root: &Node) {
        let says =
            |key: &str| ["all_runs", "all_seeds", "disclosure", "excluded"].iter().any(|word| key.contains(word));
        for (key, node) in root.entries().iter().filter(|(key, _)| says(key)) {
            let (mut all, mut val_bpb) = (Vec::new(), Vec::new());
            let inner = node.entries().iter().map(|(_, node)| node).chain([node]);
            for entry in inner {
                all.extend(entry.items().iter().filter_map(|seed| whole(&seed.number()?)));
                for (name, score) in entry.entries() {
                    let Some(seed) = seed_of(name) else { continue };
                    all.push(seed);
                    let score = score.number().or_else(|| score.get("val_bpb").and_then(Node::number));
                    val_bpb.extend(score.map(|score| (seed, score.value)));
                }
            }
            all.sort_unstable();
            all.dedup();
            all.truncate(MAX_SEEDS);
            val_bpb.truncate(MAX_SEEDS);
            let seeds: Vec<i64> = all.iter().copied().filter(|seed| !self.names_seed(*seed)).collect();
            if !seeds.is_empty() && self.excluded.is_none() {
                self.extra.shift_remove(key);
                self.excluded = Some(Excluded { key: key.clone(), line: node.line, seeds, all, val_bpb });
            }
        }
    }
}

fn claims_of_run(seed: i64, key: &str, entry: &Node) -> Vec<Claim> {
    let numbers = entry.entries().iter().filter_map(|(name, node)| {
        let (field, shift) = known_of_run(name)?;
        // Milliseconds are shifted below, and so is a text that names none.
        let unit = if shift == 0 { field.unit() } else { Unit::One };
        let stated = node.figure(unit)?;
        let stated = Stated { value: stated.value / 10f64.powi(shift), decimals: stated.decimals + shift, ..stated };
        Some(number_claim(field, Scope::Seed(seed), format!("{key}.{name}"), stated, node.line))
    });
    numbers.collect()
}

/// Tells whether the value is a number, or a text in its place.
fn is_a_number(node: &Node) -> bool {
    matches!(node.value, Json::Number(_) | Json::Text(_))
}

/// Reads the seed of `"42"` or `"seed_42"`.
fn seed_of(name: &str) -> Option<i64> {
    name.strip_prefix("seed_").unwrap_or(name).parse().ok()
}
