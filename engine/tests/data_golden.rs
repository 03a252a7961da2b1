//! The data room against numbers observed from upstream's own functions (golden/bpb.json): exact.

use std::path::{Path, PathBuf};

use caddie_engine::data::windows::{chunk_window, sliding_windows, ttt_batches};
use caddie_engine::data::{ByteTable, cu_seqlens, find_documents};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/bpb.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect()
}

fn rows(value: &Value) -> Vec<Vec<usize>> {
    value.as_array().unwrap().iter().map(numbers).collect()
}

/// A stream of `len` tokens with BOS exactly at `bos`.
fn stream(len: usize, bos: &[usize]) -> Vec<u16> {
    (0..len).map(|i| if bos.contains(&i) { 1 } else { 7 }).collect()
}

#[test]
fn cu_seqlens_equal_upstreams() {
    let golden = golden();
    let cases = golden["cu_seqlens"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let arg = |key: &str| case[key].as_u64().unwrap() as usize;
        let got = cu_seqlens(&numbers(&case["bos"]), arg("total_len"), arg("max_doc_len"), arg("bucket"));
        let expected: Vec<i32> = numbers(&case["cu_seqlens"]).into_iter().map(|n| n as i32).collect();
        assert_eq!(got, expected, "{case}");
    }
}

#[test]
fn documents_and_batches_equal_upstreams() {
    let golden = &golden()["ttt_docs"];
    let bos = numbers(&golden["bos_positions"]);
    let tokens = stream(golden["total_tokens"].as_u64().unwrap() as usize, &bos);
    let documents = find_documents(&tokens, Path::new("golden")).unwrap();
    let spans: Vec<Vec<usize>> = documents.iter().map(|d| vec![d.start, d.targets + 1]).collect();
    assert_eq!(spans, rows(&golden["docs_start_len"]));
    assert_eq!(documents.iter().map(|d| d.targets as u64).sum::<u64>(), golden["sum_pred_lens"].as_u64().unwrap());

    for batch_size in [2, 4] {
        let batches = golden[format!("VARLEN_global_batches_bs{batch_size}")].as_array().unwrap();
        let expected: Vec<Vec<usize>> = batches.iter().map(|batch| numbers(&batch["docs"])).collect();
        assert_eq!(ttt_batches(&documents, batch_size), expected);
    }

    // Upstream drops the tokens before the first BOS silently and asserts on a trailing BOS; here both are errors.
    assert!(find_documents(&tokens[1..], Path::new("golden")).is_err());
    assert!(find_documents(&[&tokens[..], &[1]].concat(), Path::new("golden")).is_err());
}

#[test]
fn sliding_windows_equal_upstreams() {
    let golden = &golden()["sliding_window"];
    let arg = |key: &str| golden[key].as_u64().unwrap() as usize;
    let windows = sliding_windows(arg("N_targets"), arg("T"), arg("stride"));
    let got: Vec<Vec<usize>> = windows.iter().map(|w| vec![w.start, w.len, w.first_scored, w.end]).collect();
    assert_eq!(got, rows(&golden["VARLEN_2026-04-10"]["windows"]));
}

#[test]
fn chunk_windows_equal_upstreams() {
    let golden = &golden()["ttt_chunk_windows"];
    let arg = |value: &Value, key: &str| value[key].as_u64().unwrap() as usize;
    let (chunk, context) = (arg(golden, "chunk"), arg(golden, "ctx"));
    let window = |c, pred_len, num_chunks| {
        let w = chunk_window(c, pred_len, num_chunks, chunk, context);
        vec![w.win_start, w.win_len, w.chunk_offset, w.chunk_len]
    };
    for doc in golden["docs"].as_array().unwrap() {
        let (pred_len, num_chunks) = (arg(doc, "pred_len"), arg(doc, "num_chunks"));
        assert_eq!(pred_len.div_ceil(chunk), num_chunks);
        let got: Vec<Vec<usize>> = (0..num_chunks).map(|c| window(c, pred_len, num_chunks)).collect();
        assert_eq!(got, rows(&doc["windows"]), "{doc}");
    }
    // The window that a batch shares at chunk c is that of a document which goes on past it.
    let common = &golden["batch_common_window_per_chunk_index_[win_start,win_len,offset,len]"];
    let got: Vec<Vec<usize>> = (0..16).map(|c| window(c, 32 * (c + 1), c + 1)).collect();
    assert_eq!(got, rows(common));
}

/// The real tokenizer, where the project's shared folder is at hand; a test needs nothing outside the repository.
fn real_tokenizer() -> Option<PathBuf> {
    let shared = std::env::var_os("CADDIE_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("golden/fineweb_8192_bpe.model");
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: {} is not there (set CADDIE_SHARED)", path.display());
    None
}

#[test]
fn the_byte_table_of_the_real_tokenizer_equals_upstreams() {
    let Some(path) = real_tokenizer() else { return };
    let golden = &golden()["table"];
    let table = ByteTable::from_sentencepiece(&path, 8192).unwrap();
    assert_eq!(table.vocab_size(), 8192);

    let base: Vec<u8> = table.base_bytes().iter().flat_map(|&b| (b as i16).to_le_bytes()).collect();
    let lead: Vec<u8> = table.has_leading_space().iter().map(|&b| u8::from(b)).collect();
    let boundary: Vec<u8> = table.is_boundary().iter().map(|&b| u8::from(b)).collect();
    let hash = |bytes: &[u8]| Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(hash(&base), golden["sha256_base_bytes_i16le"]);
    assert_eq!(hash(&lead), golden["sha256_has_leading_space_u8"]);
    assert_eq!(hash(&boundary), golden["sha256_is_boundary_u8"]);
    assert_eq!(hash(&[base, lead, boundary].concat()), golden["sha256_concat_of_the_three_in_that_order"]);
    assert_eq!(table.sha256(), golden["sha256_packed_u16le"]);

    for row in golden["ids"].as_array().unwrap() {
        let id = row[0].as_u64().unwrap() as usize;
        assert_eq!(u64::from(table.base_bytes()[id]), row[1].as_u64().unwrap(), "{row}");
        assert_eq!(table.has_leading_space()[id], row[2].as_bool().unwrap(), "{row}");
        assert_eq!(table.is_boundary()[id], row[3].as_bool().unwrap(), "{row}");
    }
    let message = ByteTable::from_sentencepiece(&path, 1024).unwrap_err().to_string();
    assert!(message.contains("has 8192 pieces, but the recipe's model.vocab_size is 1024"), "{message}");
}

#[test]
fn bytes_of_every_target_equal_upstreams() {
    let Some(path) = real_tokenizer() else { return };
    let golden = &golden()["bpb"];
    let table = ByteTable::from_sentencepiece(&path, 8192).unwrap();
    let tokens: Vec<u16> = numbers(&golden["tokens"]).into_iter().map(|id| id as u16).collect();
    let bytes: Vec<usize> = tokens.windows(2).map(|pair| table.bytes(pair[0], pair[1]) as usize).collect();
    assert_eq!(bytes, numbers(&golden["bytes_per_target"]));
    assert_eq!(bytes.iter().sum::<usize>() as u64, golden["total_bytes"].as_u64().unwrap());
    let sum_nll = golden["sum_nll_f64"].as_f64().unwrap();
    let val_bpb = sum_nll / std::f64::consts::LN_2 / bytes.iter().sum::<usize>() as f64;
    assert!((val_bpb / golden["val_bpb"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{val_bpb}");
}
