//! What every evaluator owes: each target scored once and with the context its mode promises, sums that are the ledger's,
//! and the same bits however the work is cut up.

mod common;

use std::path::Path;

use caddie_engine::Recipe;
use caddie_engine::data::{ByteTable, Document, find_documents};
use caddie_engine::evaluate::ledger::{LedgerRow, to_lines};
use caddie_engine::evaluate::ttt::{SeededInit, score_batch};
use caddie_engine::evaluate::{Score, Totals, ValData, evaluate};
use caddie_engine::model::{Gpt, initial_state};
use caddie_engine::nn::Docs;
use caddie_engine::recipe::{EvalMode, EvalRecipe, OgdRecipe, SlidingRecipe, TttRecipe};
use common::{fill, sentencepiece_model, tokens};
use proptest::prelude::*;
use tch::{Device, Tensor};

const VOCAB: usize = 64;
const MODES: [EvalMode; 4] = [EvalMode::Full, EvalMode::Sliding, EvalMode::Ogd, EvalMode::Ttt];

/// A model of the demo's kind, small. Its output matrices, which start at zero, are filled too: every path is live.
fn model() -> Gpt {
    let toml = format!(
        "[model]\nvocab_size = {VOCAB}\nmodel_dim = 32\nlayout = 'A*3'\n[model.unet]\n[model.block.A.mlp]\n\
         [model.block.A.gqa]\nnum_heads = 2\nnum_kv_heads = 1\n"
    );
    let recipe = Recipe::parse(&toml, &[]).unwrap();
    let mut state = initial_state(&recipe.model, 5).unwrap();
    for (name, tensor) in &mut state {
        *tensor = &*tensor + fill(name, &tensor.size(), 0.2, &[0.0]);
    }
    Gpt::new(&recipe.model, state, Device::Cpu).unwrap()
}

/// Text of a piece, `▁` for a space; empty for the four pieces that stand for no text.
fn piece(id: usize) -> String {
    match id {
        0..=3 => String::new(),
        4 => "▁".to_owned(),
        _ if id.is_multiple_of(3) => format!("▁{}", "é".repeat(id % 5)),
        _ => "x".repeat(1 + id % 4),
    }
}

/// A stream of documents with these numbers of targets.
fn val(lens: &[usize], seed: u64) -> ValData {
    let mut ids: Vec<u16> = Vec::new();
    for (d, &len) in lens.iter().enumerate() {
        ids.push(1);
        ids.extend(tokens(seed + d as u64, len - 1, 4, VOCAB as i64).iter().map(|&t| t as u16));
    }
    ids.push(7); // the last document's last target
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fineweb_64_bpe.model");
    std::fs::write(&path, sentencepiece_model(&(0..VOCAB).map(piece).collect::<Vec<_>>())).unwrap();
    ValData {
        documents: find_documents(&ids, Path::new("test.bin")).unwrap(),
        byte_table: ByteTable::from_sentencepiece(&path, VOCAB as i64).unwrap(),
        sidecar: None,
        tokens: ids,
    }
}

/// Settings of all modes, with adapters and a bias that learn enough to show.
#[derive(Clone)]
struct Settings {
    len: i64,
    stride: i64,
    rows: i64,
    chunk: i64,
    context: i64,
    lr: f64,
    weight_decay: f64,
    apart: bool,
    carried: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let (chunk, context) = (32, 64);
        Settings {
            len: 1024,
            stride: 64,
            rows: 2,
            chunk,
            context,
            lr: 0.02,
            weight_decay: 0.5,
            apart: false,
            carried: false,
        }
    }
}

impl Settings {
    /// Adapters and bias stay at zero: the bare model, with the windows of each mode.
    fn without_learning(&self) -> Settings {
        Settings { lr: 0.0, weight_decay: 0.0, ..self.clone() }
    }

    fn ttt(&self) -> TttRecipe {
        TttRecipe {
            ttt_lora_rank: 2,
            ttt_lora_lr: self.lr,
            ttt_weight_decay: self.weight_decay,
            ttt_chunk_size: self.chunk,
            ttt_eval_seq_len: self.context,
            ..TttRecipe::default()
        }
    }

    fn recipe(&self) -> EvalRecipe {
        EvalRecipe {
            eval_seq_len: self.len,
            eval_batch_seqs: self.rows,
            documents_apart: self.apart,
            sliding: Some(SlidingRecipe { eval_stride: self.stride }),
            ttt: Some(self.ttt()),
            ogd: Some(OgdRecipe { ogd_lr: 10.0 * self.lr, ogd_carried: self.carried, ogd_batch_windows: 3 }),
            ..EvalRecipe::default()
        }
    }
}

fn scored(model: &Gpt, val: &ValData, settings: &Settings, mode: EvalMode) -> Score {
    evaluate(model, val, &settings.recipe(), mode, None, &mut |_| Ok(())).unwrap()
}

/// First input that the mode lets target `k` see, from its definition (docs/spec/algorithms.md#evaluation).
fn context_start(val: &ValData, settings: &Settings, mode: EvalMode, k: usize) -> usize {
    let (len, stride) = (settings.len as usize, settings.stride as usize);
    let d = val.documents.iter().rfind(|d| d.start <= k).unwrap();
    // The first window w = 0, stride, 2·stride, … that reaches k.
    let window = (k + 1).saturating_sub(len).div_ceil(stride) * stride;
    match mode {
        EvalMode::Full if settings.apart => k - (k - d.start) % len,
        EvalMode::Full => k - k % len,
        EvalMode::Sliding if settings.apart => window.max(d.start),
        EvalMode::Sliding => window,
        // The same windows, counted from the document's own start.
        EvalMode::Ogd => d.start + (k - d.start + 1).saturating_sub(len).div_ceil(stride) * stride,
        EvalMode::Ttt => {
            let chunk = settings.chunk as usize;
            let chunk_end = ((k - d.start) / chunk * chunk + chunk).min(d.targets);
            d.start + chunk_end.saturating_sub(settings.context as usize)
        }
    }
}

/// Nats of target `k` from one forward pass over exactly the inputs `start..=k`.
fn nats_of(model: &Gpt, val: &ValData, start: usize, k: usize) -> f32 {
    let ids: Vec<i64> = val.tokens[start..=k + 1].iter().map(|&t| i64::from(t)).collect();
    let x = Tensor::from_slice(&ids[..ids.len() - 1]).unsqueeze(0);
    let y = Tensor::from_slice(&ids[1..]).unsqueeze(0);
    let nats = tch::no_grad(|| model.nll(&x, &y, &Docs::Rows));
    nats.double_value(&[0, (k - start) as i64]) as f32
}

/// UTF-8 bytes of a document's text: its pieces joined, without the space that a text would begin with.
fn text_bytes(val: &ValData, d: &Document) -> u64 {
    let targets = &val.tokens[d.start + 1..=d.start + d.targets];
    let text: String = targets.iter().map(|&id| piece(usize::from(id))).collect::<String>().replace('▁', " ");
    text.strip_prefix(' ').unwrap_or(&text).len() as u64
}

fn lens() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1usize..4, 4usize..40], 1..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_target_is_scored_once_with_its_modes_context(
        lens in lens(), seed in 0u64..1000, len in 1i64..40, step in 0i64..40, rows in 1i64..4, chunk in 1i64..20,
        apart in any::<bool>(),
    ) {
        let (model, val) = (model(), val(&lens, seed));
        let recipe = Settings { len, stride: step % len + 1, rows, chunk, context: chunk.max(len), apart, ..Settings::default() }
            .without_learning();
        for mode in MODES {
            let nll = scored(&model, &val, &recipe, mode).nll;
            prop_assert_eq!(nll.len(), val.targets());
            for (k, &nats) in nll.iter().enumerate() {
                let expected = nats_of(&model, &val, context_start(&val, &recipe, mode, k), k);
                prop_assert!((nats - expected).abs() < 1e-5, "{mode:?} target {k}: {nats}, by definition {expected}");
            }
        }
    }

    #[test]
    fn rows_totals_and_the_ledgers_lines_are_one_and_the_same_sum(
        lens in lens(), seed in 0u64..1000, len in 1i64..40, chunk in 1i64..20,
    ) {
        let (model, val) = (model(), val(&lens, seed));
        let recipe = Settings { len, stride: len, chunk, context: chunk.max(len), ..Settings::default() }.recipe();
        for mode in MODES {
            let mut last = Totals::default();
            let score = evaluate(&model, &val, &recipe, mode, None, &mut |progress| {
                last = progress.totals;
                Ok(())
            }).unwrap();
            prop_assert_eq!(score.rows.len(), val.documents.len());
            for (row, d) in score.rows.iter().zip(&val.documents) {
                let nats = &score.nll[d.start..d.start + d.targets];
                prop_assert_eq!((row.doc, row.tokens), (d.index as u64, d.targets as u64));
                prop_assert_eq!(row.bytes, text_bytes(&val, d));
                prop_assert_eq!(row.nats, nats.iter().map(|&n| f64::from(n)).sum::<f64>());
            }
            let totals = Totals::of(&score.rows);
            prop_assert_eq!((totals.tokens, totals.bytes), ((val.tokens.len() - 1) as u64, last.bytes));
            prop_assert_eq!(totals.tokens, last.tokens);
            // The progress adds batches in the order of their completion.
            prop_assert!((totals.nats / last.nats - 1.0).abs() < 1e-12, "{} and {}", totals.nats, last.nats);

            let lines = String::from_utf8(to_lines(&score.rows)).unwrap();
            let read: Vec<LedgerRow> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            prop_assert_eq!(Totals::of(&read), totals, "the file says what was scored, to the last bit");
        }
    }

    #[test]
    fn one_window_over_the_whole_stream_is_full_context(lens in lens(), seed in 0u64..1000, extra in 0i64..9) {
        let (model, val) = (model(), val(&lens, seed));
        let len = val.targets() as i64 + extra;
        let recipe = Settings { len, stride: len.min(3), ..Settings::default() };
        let nll = |mode| scored(&model, &val, &recipe, mode).nll;
        prop_assert_eq!(nll(EvalMode::Full), nll(EvalMode::Sliding));
    }

    #[test]
    fn a_document_scores_the_same_whichever_others_are_asked_for(
        lens in lens(), seed in 0u64..1000, chunk in 1i64..20, extra in 0i64..12,
    ) {
        let (model, val) = (model(), val(&lens, seed));
        // Many documents are longer than the window: it moves, and what they learnt stays.
        let recipe =
            Settings { chunk, context: chunk + extra, len: chunk + extra, stride: chunk, ..Settings::default() };
        for mode in [EvalMode::Ttt, EvalMode::Ogd] {
            let all = scored(&model, &val, &recipe, mode);
            let odd: Vec<usize> = (0..lens.len()).filter(|d| d % 2 == 1).collect();
            let some = evaluate(&model, &val, &recipe.recipe(), mode, Some(&odd), &mut |_| Ok(())).unwrap();
            prop_assert_eq!(some.rows, odd.iter().map(|&d| all.rows[d]).collect::<Vec<_>>());
            let scored = some.nll.iter().filter(|n| !n.is_nan()).count();
            prop_assert_eq!(scored, odd.iter().map(|&d| lens[d]).sum::<usize>());
        }
    }

    // Side by side, as on a GPU. Below eight positions a product of one document takes another kernel than that of two, and
    // the last bit may differ; recipes have chunks of 32.
    #[test]
    fn a_document_scores_the_same_alone_and_in_a_batch(
        lens in lens(), seed in 0u64..1000, chunk in 16i64..40, extra in 0i64..12, size in 2usize..5,
    ) {
        let (model, val) = (model(), val(&lens, seed));
        let recipe = Settings { chunk, context: chunk + extra, ..Settings::default() };
        let alone = scored(&model, &val, &recipe, EvalMode::Ttt).nll;
        for docs in val.documents.chunks(size) {
            let together = score_batch(&model, &val, &recipe.ttt(), docs, &SeededInit { seed: recipe.ttt().ttt_seed }).unwrap();
            for (d, nats) in docs.iter().zip(&together) {
                prop_assert_eq!(nats.as_slice(), &alone[d.start..d.start + d.targets], "document {}", d.index);
            }
        }
    }
}

#[test]
fn documents_that_fit_one_chunk_learn_nothing() {
    let (model, val) = (model(), val(&[1, 2, 1, 17, 16, 2], 40));
    let recipe = Settings { chunk: 17, context: 17, ..Settings::default() };
    let learns = scored(&model, &val, &recipe, EvalMode::Ttt);
    assert_eq!(learns.nll, scored(&model, &val, &recipe.without_learning(), EvalMode::Ttt).nll);
    assert_eq!(learns.rows.iter().map(|row| row.tokens).collect::<Vec<_>>(), [1, 2, 1, 17, 16, 2]);
    assert_eq!(learns.rows[0].bytes, 0, "the only target of an empty document is the next BOS");
}

#[test]
fn the_bias_learns_from_scored_targets_alone_and_a_carried_one_crosses_documents() {
    let (model, val) = (model(), val(&[60, 50], 43));
    let apart = Settings { len: 16, stride: 8, ..Settings::default() };
    let carried = Settings { carried: true, ..apart.clone() };
    for recipe in [&apart, &carried] {
        let learns = scored(&model, &val, recipe, EvalMode::Ogd).nll;
        let bare = scored(&model, &val, &recipe.without_learning(), EvalMode::Ogd).nll;
        assert_eq!(learns[..8], bare[..8], "nothing is learnt before the first targets are scored");
        assert_ne!(learns[56..60], bare[56..60]);
    }
    // A bias that begins anew leaves a document's first step as the bare model has it; a carried one does not.
    let first_of_second = |recipe: &Settings| {
        let learns = scored(&model, &val, recipe, EvalMode::Ogd).nll;
        learns[60..68] == scored(&model, &val, &recipe.without_learning(), EvalMode::Ogd).nll[60..68]
    };
    assert!(first_of_second(&apart) && !first_of_second(&carried));
    // A token after the step changes neither the scores before it nor the bias that scored them.
    let mut other = self::val(&[60, 50], 43);
    other.tokens[41] = if other.tokens[41] == 9 { 10 } else { 9 };
    let (ours, theirs) = (scored(&model, &val, &apart, EvalMode::Ogd), scored(&model, &other, &apart, EvalMode::Ogd));
    assert_eq!(ours.nll[..40], theirs.nll[..40]);
    assert_ne!(ours.nll[41..60], theirs.nll[41..60]);
    assert_eq!(ours.nll[60..], theirs.nll[60..], "the next document begins with a bias of zero");
}

#[test]
fn what_a_document_learnt_outlives_its_window() {
    let (model, val) = (model(), val(&[90], 41));
    let recipe = Settings { chunk: 8, context: 12, ..Settings::default() };
    let learns = scored(&model, &val, &recipe, EvalMode::Ttt).nll;
    let bare = scored(&model, &val, &recipe.without_learning(), EvalMode::Ttt).nll;
    assert_eq!(learns[..8], bare[..8], "the first chunk is scored before anything is learnt");
    assert_ne!(learns[8..16], bare[8..16]);

    // Other tokens in the first chunk, which the last chunk's window no longer reaches, still change its adapters.
    let mut other = val;
    for token in &mut other.tokens[1..8] {
        *token = if *token == 9 { 10 } else { 9 };
    }
    assert_eq!(scored(&model, &other, &recipe.without_learning(), EvalMode::Ttt).nll[80..], bare[80..]);
    assert_ne!(scored(&model, &other, &recipe, EvalMode::Ttt).nll[80..], learns[80..]);
}

#[test]
fn a_target_without_a_score_stops_every_evaluator_and_is_named() {
    let (model, val) = (model(), val(&[20, 30, 25], 42));
    let recipe = Settings { len: 8, stride: 4, chunk: 8, context: 16, ..Settings::default() };
    let refused = |model: &Gpt, recipe: &Settings, mode| match evaluate(
        model,
        &val,
        &recipe.recipe(),
        mode,
        None,
        &mut |_| Ok(()),
    ) {
        Ok(_) => panic!("{mode:?} gave a score"),
        Err(error) => error.to_string(),
    };
    let wild = Settings { lr: 1e30, ..recipe.clone() };
    let error = refused(&model, &wild, EvalMode::Ttt);
    assert!(error.contains("ttt: document 0") && error.contains("smaller ttt_lora_lr"), "{error}");
    assert!(error.contains("token 9 "), "the second chunk is the first that something was learnt for: {error}");

    let (_, scale) = model.parameters().iter().find(|(name, _)| name == "blocks.0.attn_scale").unwrap();
    let _ = scale.shallow_clone().fill_(f64::NAN);
    for mode in MODES {
        assert!(refused(&model, &recipe, mode).contains("document 0 has no score"));
    }
}
