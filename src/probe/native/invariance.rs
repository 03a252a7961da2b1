//! What must not change a score: the same tokens again, later tokens, other documents, their order, and for a recipe's model
//! file the validation tokens.
//!
//! These are exact: the engine tells the nats of every target, so each is compared with what it was.

use std::path::Path;

use caddie_engine::data::find_documents;
use caddie_engine::evaluate::file::Loaded;
use caddie_engine::log::Silent;
use caddie_probe::bytes::Counting;
use caddie_probe::source::{BOS, Kind};
use camino::Utf8Path;

use super::super::changed::split;
use super::super::corpus::{self, WrittenSource};
use super::super::invariance::{ARITHMETIC, Compared, Invariance, Invariances};
use super::{NativeOptions, NativeTarget, ToyRecipe, given, room, score, subject, train};
use crate::{Error, Result};

/// Trains where the target is a recipe, and scores the same model on changed tokens. The first source counts.
///
/// # Errors
/// When the target cannot be read, its training fails, or a score fails.
pub fn invariance(target: &NativeTarget, options: &NativeOptions, tell: &mut dyn FnMut(&str)) -> Result<Invariances> {
    let kind = options.sources.first().copied().unwrap_or(Kind::Iid);
    let (root, _temporary) = room(options.keep.as_deref())?;
    let (subject, toy) = subject(target, options.steps)?;
    let subjected = match (target, &toy) {
        (NativeTarget::Recipe { .. }, Some(toy)) => train(&toy.recipe, kind, &root, options, tell)?,
        (NativeTarget::Model { path, recipe }, _) => given(path, recipe.as_deref(), kind, &root, options, tell)?,
        (NativeTarget::Recipe { .. }, None) => return Err(Error::usage("a recipe needs a toy")),
    };
    let job = score::job(&subjected.model, subjected.recipe.as_ref(), &subjected.data, options.device, Vec::new());
    let mut changed = ChangedTokens { loaded: job.load()?, tell };
    let mut found = changed.all(&subjected.source)?;
    let (loaded, tell) = (changed.loaded, changed.tell);
    if let Some(toy) = &toy {
        found.push(model_file(toy, kind, &subjected.model, &root, options, tell)?);
    }
    Ok(Invariances {
        schema_version: 1,
        subject,
        seed: options.seed,
        source: kind,
        targets: subjected.source.sidecar.targets,
        documents_apart: Some(loaded.recipe.eval.reads_documents_alone(loaded.mode)),
        compared: Compared::EachTarget,
        found,
    })
}

/// A model, whose validation tokens are changed.
struct ChangedTokens<'a> {
    loaded: Loaded,
    tell: &'a mut dyn FnMut(&str),
}

impl ChangedTokens<'_> {
    /// Nats of each target of `tokens`.
    fn nats(&mut self, what: &str, tokens: &[u16]) -> Result<Vec<f64>> {
        (self.tell)(what);
        self.loaded.val.documents = find_documents(tokens, Path::new("the changed tokens"))?;
        self.loaded.val.tokens = tokens.to_vec();
        let (score, _) = self.loaded.score(None, crate::stop::flag(), &mut Silent)?;
        Ok(score.nll.into_iter().map(f64::from).collect())
    }

    fn all(&mut self, source: &WrittenSource) -> Result<Vec<Invariance>> {
        let tokens = &source.stream.tokens;
        let base = self.nats("as it is", tokens)?;
        Ok(vec![
            self.repetition(tokens, &base)?,
            self.later_tokens(tokens, &base)?,
            self.swapped_neighbors(tokens, &base)?,
            self.other_documents(tokens, &base)?,
            self.order(tokens, &base)?,
            self.copies(tokens)?,
            self.length(tokens, &base)?,
            self.bytes(source)?,
        ])
    }

    fn repetition(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let again = self.nats("once more", tokens)?;
        let largest = largest(base, &again);
        Ok(Invariance {
            name: "repetition",
            says: "the same tokens give the same nats, to the bit".to_owned(),
            holds: Some(largest == 0.0),
            largest: Some(largest),
        })
    }

    /// The tokens of the second half are replaced by those of the first: no score of the first half may move.
    fn later_tokens(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let half = tokens.len() / 2;
        let replaced = (half..tokens.len()).map(|at| match (tokens.get(at), tokens.get(at - half)) {
            // Documents keep their places, so that only their tokens change.
            (Some(&token), Some(&other)) if token != BOS && other != BOS => other,
            (token, _) => token.copied().unwrap_or(BOS),
        });
        let changed: Vec<u16> = tokens.iter().take(half).copied().chain(replaced).collect();
        let nats = self.nats("later tokens", &changed)?;
        Ok(earlier("later_tokens", "other tokens in the second half move no score of the first", base, &nats, half - 1))
    }

    fn swapped_neighbors(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let inside = |at: &usize| match (tokens.get(*at), tokens.get(at + 1)) {
            (Some(&one), Some(&next)) => one != next && one != BOS && next != BOS,
            _ => false,
        };
        let half = tokens.len() / 2;
        let Some(at) = (half..tokens.len() - 1).find(inside) else {
            return Err(Error::usage("the source has no two neighbors that differ; draw more --tokens"));
        };
        let mut changed = tokens.to_vec();
        changed.swap(at, at + 1);
        let nats = self.nats("swapped neighbors", &changed)?;
        let says = format!("swapping tokens {at} and {} moves no earlier score", at + 1);
        Ok(earlier("swapped_neighbors", &says, base, &nats, at - 1))
    }

    /// The tokens of every second document in reverse order: no score of the others may move where documents are scored apart.
    fn other_documents(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let documents = split(tokens);
        let mut changed = Vec::with_capacity(tokens.len());
        for (index, document) in documents.iter().enumerate() {
            let (bos, text) = document.split_at(1.min(document.len()));
            changed.extend(bos);
            match index % 2 {
                0 => changed.extend(text),
                _ => changed.extend(text.iter().rev()),
            }
        }
        let nats = self.nats("other documents", &changed)?;
        let of_others = |nats: &[f64]| -> Vec<f64> {
            let starts = documents.iter().scan(0, |start, document| {
                *start += document.len();
                Some((*start - document.len(), *start))
            });
            let others = starts.step_by(2).map(|(start, end)| nats.get(start..end.min(nats.len())).unwrap_or_default());
            others.flatten().copied().collect()
        };
        let largest = largest(&of_others(base), &of_others(&nats));
        let apart = self.loaded.recipe.eval.reads_documents_alone(self.loaded.mode);
        Ok(Invariance {
            name: "other_documents",
            says: "other tokens in every second document move no score of the others".to_owned(),
            holds: (apart && documents.len() > 1).then_some(largest <= ARITHMETIC),
            largest: Some(largest),
        })
    }

    /// Documents in the reverse order.
    fn order(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let documents = split(tokens);
        let before = means(base, documents.iter().map(|document| document.len()));
        let changed: Vec<u16> = documents.iter().rev().flat_map(|document| document.iter().copied()).collect();
        let nats = self.nats("documents in reverse order", &changed)?;
        let mut after = means(&nats, documents.iter().rev().map(|document| document.len()));
        after.reverse();
        Ok(ChangedTokens::by_documents(
            "order",
            "documents in reverse order have the means that they had",
            &before,
            &after,
        ))
    }

    /// Each document twice: how the second copy is scored beside the first.
    fn copies(&mut self, tokens: &[u16]) -> Result<Invariance> {
        let documents = split(tokens);
        let twice: Vec<&[u16]> = documents.iter().flat_map(|document| [*document, *document]).collect();
        let changed: Vec<u16> = twice.iter().flat_map(|document| document.iter().copied()).collect();
        let nats = self.nats("each document twice", &changed)?;
        let means = means(&nats, twice.iter().map(|document| document.len()));
        let (first, second): (Vec<f64>, Vec<f64>) =
            means.chunks_exact(2).filter_map(|pair| Some((*pair.first()?, *pair.last()?))).unzip();
        Ok(ChangedTokens::by_documents(
            "copies",
            "the second of two copies of a document is scored as the first",
            &first,
            &second,
        ))
    }

    /// Compares the means of documents but those that an end of the stream cuts off. Adapters may begin from numbers that are drawn by
    /// a document's place, so that a difference breaks no claim.
    fn by_documents(name: &'static str, says: &str, one: &[f64], other: &[f64]) -> Invariance {
        let inner = |means: &[f64]| means.get(1..means.len().saturating_sub(1)).unwrap_or_default().to_vec();
        let (one, other) = (inner(one), inner(other));
        let largest = (!one.is_empty()).then(|| largest(&one, &other));
        Invariance { name, says: says.to_owned(), holds: None, largest }
    }

    /// A validation set of twice the length: no score of its first half moves.
    fn length(&mut self, tokens: &[u16], base: &[f64]) -> Result<Invariance> {
        let changed = [tokens, tokens].concat();
        let nats = self.nats("twice the length", &changed)?;
        // But for the last document, which has one target more there.
        let last = split(tokens).last().map_or(0, |document| document.len());
        let says = "a validation set of twice the length moves no score of its first half";
        Ok(earlier("length", says, base, &nats, tokens.len() - last))
    }

    fn bytes(&mut self, source: &WrittenSource) -> Result<Invariance> {
        self.loaded.val.documents = find_documents(&source.stream.tokens, Path::new("the source"))?;
        self.loaded.val.tokens.clone_from(&source.stream.tokens);
        let exact = source.bytes(Counting::Exact);
        let wrong =
            exact.iter().enumerate().filter(|(target, bytes)| self.loaded.val.bytes(*target) != u64::from(**bytes));
        Ok(Invariance {
            name: "bytes",
            says: "every target has the bytes that its piece has".to_owned(),
            holds: Some(wrong.count() == 0),
            largest: None,
        })
    }
}

/// The mean nats of each document's tokens behind its BOS, so that a document has the same targets in any place.
fn means(nats: &[f64], lengths: impl Iterator<Item = usize>) -> Vec<f64> {
    let mut from = 0;
    lengths
        .map(|length| {
            let own = nats.get(from..from + length - 1).unwrap_or_default();
            from += length;
            caddie_probe::sum(own.iter().copied()) / own.len().max(1) as f64
        })
        .collect()
}

fn largest(one: &[f64], other: &[f64]) -> f64 {
    let apart = one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f64::max);
    if one.len() == other.len() { apart } else { f64::INFINITY }
}

/// Compares the first `targets` scores.
fn earlier(name: &'static str, says: &str, base: &[f64], nats: &[f64], targets: usize) -> Invariance {
    let first = |nats: &[f64]| nats.get(..targets).unwrap_or_default().to_vec();
    let largest = largest(&first(base), &first(nats));
    Invariance { name, says: says.to_owned(), holds: Some(largest <= ARITHMETIC), largest: Some(largest) }
}

/// Trains the recipe beside another validation set: the model file must be the same to the byte.
fn model_file(
    toy: &ToyRecipe,
    kind: Kind,
    model: &Utf8Path,
    root: &Utf8Path,
    options: &NativeOptions,
    tell: &mut dyn FnMut(&str),
) -> Result<Invariance> {
    tell("training beside another validation set");
    let other = root.join("other");
    fs_err::create_dir_all(&other).map_err(caddie_files::Error::io(&other, "creating"))?;
    let trained = super::train_beside(&toy.recipe, kind, &other, options, corpus::OTHER_VALIDATION, tell)?;
    let bytes = |path: &Utf8Path| fs_err::read(path).map_err(caddie_files::Error::io(path, "reading"));
    Ok(Invariance {
        name: "model_file",
        says: "another validation set beside the training gives the same model file, to the byte".to_owned(),
        holds: Some(bytes(model)? == bytes(&trained.model)?),
        largest: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_their_targets_in_any_place() {
        let tokens = [BOS, 5, 6, BOS, 7, BOS, 8, 9, 4];
        let documents = split(&tokens);
        assert_eq!(documents, [&[BOS, 5, 6][..], &[BOS, 7], &[BOS, 8, 9, 4]]);
        // Targets: 5 6 BOS 7 BOS 8 9 4; those that are a BOS belong to no document's mean.
        let nats = [1.0, 3.0, 50.0, 4.0, 60.0, 1.0, 2.0, 3.0];
        assert_eq!(means(&nats, documents.iter().map(|document| document.len())), [2.0, 4.0, 2.0]);
    }

    #[test]
    fn only_earlier_scores_are_compared() {
        let base = [1.0, 2.0, 3.0];
        assert_eq!(earlier("length", "", &base, &[1.0, 2.0, 9.0, 9.0], 2).holds, Some(true));
        assert_eq!(earlier("length", "", &base, &[1.0, 2.5, 3.0], 2).largest, Some(0.5));
        assert_eq!(largest(&base, &[1.0]), f64::INFINITY);
    }
}
