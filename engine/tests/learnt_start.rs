//! A learnt start of the adapters: documents stay independent, validation data play no part, the file carries it.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use caddie_engine::data::{ByteTable, Document, find_documents};
use caddie_engine::evaluate::ValData;
use caddie_engine::evaluate::file::FileJob;
use caddie_engine::evaluate::ttt::{learn, score, score_batch};
use caddie_engine::log::Silent;
use caddie_engine::model::Gpt;
use caddie_engine::nn::LearntStart;
use caddie_engine::quant::container;
use caddie_engine::quant::inspect::inspect;
use caddie_engine::recipe::TttRecipe;
use caddie_engine::run::{Job, Phase, run};
use caddie_engine::{Error, Recipe};
use common::*;
use tch::Device;

const MODEL: &str = "[model]\nvocab_size = 128\nmodel_dim = 64\nlayout = 'A*6'\n[model.unet]\nskip_gates = true\n\
    [model.loops]\nnum_loops = 2\nloop_start = 2\nloop_end = 3\n[model.lanes]\nparallel_start_layer = 4\n\
    [model.block.A]\nln_scale = true\n[model.block.A.gqa]\nnum_heads = 4\nnum_kv_heads = 2\nrope_dims = 8\nxsa = true\n\
    [model.block.A.mlp]\nmlp_mult = 3\nactivation = 'leaky_relu2'\n\
    [eval]\nmode = 'ttt'\n[eval.ttt]\nttt_lora_rank = 4\nttt_chunk_size = 16\nttt_eval_seq_len = 64\nttt_lora_lr = 0.005\n\
    [eval.ttt.start]\nstart_documents = 6\nstart_batch = 2\nstart_tokens = 48\n";

fn model() -> Gpt {
    let golden = golden("varlen_ttt.json");
    let recipe = Recipe::parse(MODEL, &[]).unwrap();
    Gpt::new(&recipe.model, fill_state(&golden["forward"]["params"], ""), Device::Cpu).unwrap()
}

fn recipe(sets: &[&str]) -> TttRecipe {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    Recipe::parse(MODEL, &sets).unwrap().eval.ttt()
}

/// A document that opens with BOS and goes on with tokens of a quarter of the vocabulary.
fn document(seed: u64, targets: usize) -> Vec<u16> {
    std::iter::once(1).chain(tokens(seed, targets, 4, 36).iter().map(|&t| t as u16)).collect()
}

fn learnt(sets: &[&str]) -> LearntStart {
    let (ttt, documents) = (recipe(sets), (0..6).map(|i| document(i, 48)).collect::<Vec<_>>());
    let learnt = learn(&model(), &ttt, ttt.start.as_ref().unwrap(), &documents, None, &|| false).unwrap();
    assert_eq!(learnt.documents, 6);
    learnt.start
}

fn val() -> ValData {
    let lens = [70usize, 20, 33, 130, 16, 5, 95];
    let tokens =
        lens.iter().enumerate().flat_map(|(i, &len)| document(900 + i as u64, len - 1)).chain([77]).collect::<Vec<_>>();
    let documents = find_documents(&tokens, Path::new("test.bin")).unwrap();
    ValData { tokens, documents, byte_table: ByteTable::byte260(), sidecar: None }
}

#[test]
fn a_document_scores_the_same_alone_in_a_batch_and_beside_any_other() {
    for sets in [&[][..], &["eval.ttt.start.start_b=true"]] {
        let (ttt, val, start) = (recipe(sets), val(), learnt(sets));
        let model = model().with_start(Some(start.share()));
        let together = score(&model, &val, &ttt, &val.documents, &mut |_| Ok(())).unwrap();
        let places = model.adapter_places(ttt.adapters());
        let placed = start.among(&places, 4, 64).unwrap();
        for batch in [vec![3usize], vec![6, 3, 0], vec![4, 2]] {
            let docs: Vec<Document> = batch.iter().map(|&i| val.documents[i]).collect();
            for (d, nats) in docs.iter().zip(score_batch(&model, &val, &ttt, &docs, &placed).unwrap()) {
                assert_eq!(nats, together[d.start..d.start + d.targets], "document {} of {batch:?}", d.index);
            }
        }
        // Other documents in the place of all but one.
        let d = val.documents[3];
        let mut other = ValData {
            tokens: val.tokens.clone(),
            documents: val.documents.clone(),
            byte_table: ByteTable::byte260(),
            sidecar: None,
        };
        for token in other.tokens[..d.start].iter_mut().filter(|t| **t != 1) {
            *token = 99;
        }
        let after = score(&model, &other, &ttt, &other.documents, &mut |_| Ok(())).unwrap();
        assert_eq!(after[d.start..d.start + d.targets], together[d.start..d.start + d.targets]);
        assert_ne!(after[..d.start], together[..d.start]);
    }
}

#[test]
fn what_was_learnt_from_training_documents_helps_with_others_of_their_kind() {
    let val = val();
    let mean = |sets: &[&str], start: Option<LearntStart>| {
        let ttt = TttRecipe { start: start.is_some().then(|| recipe(sets).start.unwrap()), ..recipe(sets) };
        let nats = score(&model().with_start(start), &val, &ttt, &val.documents, &mut |_| Ok(())).unwrap();
        nats.iter().sum::<f32>() / nats.len() as f32
    };
    let plain = mean(&[], None);
    // With B, the very first chunk is scored by what was learnt.
    let b = ["eval.ttt.start.start_b=true"];
    let both = mean(&b, Some(learnt(&b)));
    assert!(both < plain - 0.05, "{both} with a start, {plain} without");
}

#[test]
fn a_start_of_other_adapters_and_weights_without_one_are_errors_that_say_what_to_change() {
    let val = val();
    let refused = |model: &Gpt, ttt: &TttRecipe| {
        score(model, &val, ttt, &val.documents, &mut |_| Ok(())).unwrap_err().to_string()
    };
    let bare = refused(&model(), &recipe(&[]));
    assert!(bare.contains("without a learnt start") && bare.contains("--set eval.ttt.start="), "{bare}");
    let with = model().with_start(Some(learnt(&[])));
    for set in ["eval.ttt.ttt_lora_rank=3", "eval.ttt.ttt_without=['k']"] {
        let other = refused(&with, &recipe(&[set]));
        assert!(other.contains("ttt_lora_rank and ttt_without must be those that it was learnt with"), "{other}");
    }
}

#[test]
fn a_time_that_is_up_ends_the_learning_after_the_first_batch() {
    let (ttt, documents) = (recipe(&[]), (0..6).map(|i| document(i, 48)).collect::<Vec<_>>());
    let hurried = learn(&model(), &ttt, ttt.start.as_ref().unwrap(), &documents, Some(0.0), &|| false).unwrap();
    assert_eq!(hurried.documents, 2);
    let stopped = learn(&model(), &ttt, ttt.start.as_ref().unwrap(), &documents, None, &|| true);
    assert!(matches!(stopped, Err(Error::Stopped)));
}

const RUN: &str = "name = 'start'\n[data]\ntokenizer = 'byte260'\n[model]\nvocab_size = 260\nmodel_dim = 32\nlayout = 'A*2'\n\
    [model.unet]\n[model.block.A.mlp]\n[model.block.A.gqa]\nnum_heads = 2\nnum_kv_heads = 1\n[train]\niterations = 3\n\
    warmup_steps = 1\nmax_wallclock_seconds = 0\ntrain_batch_tokens = 256\ntrain_seq_len = 64\ngrad_accum_steps = 2\n\
    loader = 'packed'\nval_loss_every = 0\n[quant]\nkeep_float_max_numel = 256\n[eval]\nmode = 'ttt'\neval_seq_len = 64\n\
    documents_apart = true\n[eval.ttt]\nttt_lora_rank = 2\nttt_lora_lr = 0.01\nttt_chunk_size = 16\nttt_eval_seq_len = 48\n";

/// Runs with `sets` in `dir/name` on `data` and returns the model file.
fn trained(dir: &Path, name: &str, data: &Path, sets: &[&str]) -> PathBuf {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    let stop = AtomicBool::new(false);
    let job = Job {
        recipe: Recipe::parse(RUN, &sets).unwrap(),
        seed: 5,
        dir: dir.join(name),
        data: data.to_owned(),
        device: Device::Cpu,
        code_bytes: 0,
        until: Phase::Evaluated,
        stop: &stop,
    };
    let state = run(&job, &mut Silent).unwrap();
    dir.join(name).join(state.model.unwrap())
}

#[test]
fn the_model_file_carries_the_start_which_validation_data_have_no_part_in() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let data = write_data(dir, 60, 8, 90);
    let on = ["eval.ttt.start.start_documents=8", "eval.ttt.start.start_batch=4", "eval.ttt.start.start_tokens=40"];
    let with_b = [&on[..], &["eval.ttt.start.start_b=true", "eval.ttt.start.start_bits=6"]].concat();
    let plain = trained(dir, "plain", &data, &[]);
    let model = trained(dir, "start", &data, &with_b);
    let log = std::fs::read_to_string(dir.join("start/log.txt")).unwrap();
    assert!(log.contains("ttt_start:learnt from 8 of 8 documents in "), "{log}");

    // What is stored: A of 11 adapters of rank 2, and B of all their outputs; both count, neither is a weight of the model.
    let (stored, recipe) = container::read(&model).unwrap();
    let start = stored.start().unwrap().unwrap();
    let outputs = 2 * (32 + 16 + 16 + 32 + 32) + 260;
    assert_eq!((start.a.size(), start.b.as_ref().unwrap().size()), (vec![22, 32], vec![outputs, 2]));
    assert!(start.b.as_ref().unwrap().abs().max().double_value(&[]) > 0.0);
    let [report, bare] = [&model, &plain].map(|path| inspect(path, 16_000_000).unwrap());
    assert_eq!(report.parameters, bare.parameters);
    let of_start: Vec<_> = report.tensors.iter().filter(|t| t.name.starts_with("ttt_start")).collect();
    let bytes: u64 = of_start.iter().map(|t| t.bytes).sum();
    assert_eq!((of_start.len(), of_start[0].bits), (2, 6));
    assert_eq!(report.payload_bytes, bare.payload_bytes + bytes);
    let again = dir.join("again");
    container::write(&again, &stored, &recipe).unwrap();
    assert!(std::fs::read(&again).unwrap() == std::fs::read(&model).unwrap(), "a round trip changes the file");
    assert!(container::read(&plain).unwrap().0.start().unwrap().is_none());

    // Another validation set, the same training data.
    let others = dir.join("others");
    std::fs::create_dir(&others).unwrap();
    let other = write_data(&others, 60, 3, 90);
    assert!(
        std::fs::read(data.join("fineweb_val_000000.bin")).unwrap()
            != std::fs::read(other.join("fineweb_val_000000.bin")).unwrap()
    );
    let elsewhere = trained(dir, "elsewhere", &other, &with_b);
    assert!(
        std::fs::read(&elsewhere).unwrap() == std::fs::read(&model).unwrap(),
        "validation data changed the model file"
    );

    // The file alone gives the ledger's scores, and without the start it gives others.
    let nats = |sets: &[&str]| {
        let stop = AtomicBool::new(false);
        let overrides = sets.iter().map(|&set| set.to_owned()).collect();
        let job = FileJob {
            model: model.clone(),
            recipe: None,
            overrides,
            data: data.clone(),
            mode: None,
            device: Device::Cpu,
            stop: &stop,
        };
        job.load().unwrap().score(None, &stop, &mut Silent).unwrap().0.nll
    };
    let exact = log.lines().find(|line| line.starts_with("final_int8_ttt_lora_exact")).unwrap();
    let with = nats(&[]);
    let mean = with.iter().map(|&n| f64::from(n)).sum::<f64>() / with.len() as f64;
    assert!(exact.contains(&format!("val_loss:{mean:.8}")), "{exact} {mean}");
    assert_ne!(nats(&["eval.ttt.start="]), with);
}
