//! Model files from strangers: whole ones come back exactly, all others are refused by name, at once and cheaply.

mod common;

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use caddie_engine::quant::inspect::inspect;
use caddie_engine::quant::{QuantizedModel, container};
use caddie_engine::recipe::{CodecChoice, QuantRecipe};
use caddie_engine::{Error, Recipe, checkpoint};
use caddie_format::model::Header;
use common::{baseline, quantize_all};
use flate2::bufread::ZlibDecoder;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, Tensor};

fn state() -> Vec<(String, Tensor)> {
    let ramp = |shape: &[i64]| {
        let n = shape.iter().product::<i64>();
        (Tensor::arange(n, (Kind::Float, Device::Cpu)) * 0.37).sin().reshape(shape)
    };
    [
        ("tok_emb.weight", vec![40, 30]),
        ("blocks.0.attn_scale", vec![30]),
        ("flat", vec![2, 3, 200]),
        ("small", vec![4, 5]),
    ]
    .map(|(name, shape)| (name.to_owned(), ramp(&shape)))
    .into()
}

fn sample() -> QuantizedModel {
    quantize_all(&state(), &QuantRecipe { keep_float_max_numel: 100, ..QuantRecipe::default() }).unwrap()
}

struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn scratch() -> Scratch {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.int8.zlib");
    Scratch { _folder: folder, path }
}

/// A model file's bytes, and its header and payload taken apart by an independent reader.
fn dissect(path: &Path) -> (Vec<u8>, Header, Vec<u8>) {
    let bytes = std::fs::read(path).unwrap();
    let line = b"caddie-model 2 zlib\n";
    assert!(bytes.starts_with(line));
    let mut plain = Vec::new();
    ZlibDecoder::new(&bytes[line.len()..]).read_to_end(&mut plain).unwrap();
    let n = u32::from_le_bytes(plain[..4].try_into().unwrap()) as usize;
    (bytes, serde_json::from_slice(&plain[4..4 + n]).unwrap(), plain[4 + n..].to_vec())
}

/// A file with any header length, header and payload.
fn forge(path: &Path, header_len: u32, json: &[u8], payload: &[u8]) {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&header_len.to_le_bytes()).unwrap();
    encoder.write_all(json).unwrap();
    encoder.write_all(payload).unwrap();
    std::fs::write(path, [b"caddie-model 2 zlib\n", encoder.finish().unwrap().as_slice()].concat()).unwrap();
}

fn forge_header(path: &Path, header: &Header, payload: &[u8]) {
    let json = serde_json::to_vec(header).unwrap();
    forge(path, json.len() as u32, &json, payload);
}

fn assert_refused(path: &Path, because: &str) {
    match container::read(path) {
        Err(error @ Error::Format { .. }) => {
            let text = error.to_string();
            assert!(text.contains("model.int8.zlib") && text.contains(because), "expected `{because}` in: {text}");
        }
        Err(other) => panic!("expected a format error about `{because}`, got: {other}"),
        Ok(_) => panic!("a file that should fail for `{because}` was accepted"),
    }
}

fn assert_same(a: &QuantizedModel, b: &QuantizedModel) {
    assert_eq!(a.tensors.len(), b.tensors.len());
    for (x, y) in a.tensors.iter().zip(&b.tensors) {
        assert_eq!((&x.name, &x.shape), (&y.name, &y.shape));
        assert_eq!(std::mem::discriminant(&x.data), std::mem::discriminant(&y.data), "{}", x.name);
    }
    for ((name, x), (_, y)) in a.dequantize().unwrap().iter().zip(b.dequantize().unwrap()) {
        assert!(x.equal(&y), "{name}");
    }
}

#[test]
fn the_same_model_gives_the_same_bytes_and_all_four_schemes_come_back() {
    let s = scratch();
    let size = container::write(&s.path, &sample(), &baseline()).unwrap();
    let (first, header, payload) = dissect(&s.path);
    assert_eq!(size, first.len() as u64);
    let schemes: Vec<&str> = header.tensors.iter().map(|t| t.scheme.name()).collect();
    assert_eq!(schemes, ["int_per_row", "float32", "int8_per_tensor", "float16"]);
    // Integers first, then scales, f16, f32: the layout that the module documents.
    let (emb, control, flat, small) = (&header.tensors[0], &header.tensors[1], &header.tensors[2], &header.tensors[3]);
    assert_eq!((emb.offset, emb.bytes, flat.offset, flat.bytes), (0, 1200, 1200, 1200));
    assert_eq!((emb.scale_offset, emb.scale_bytes), (Some(2400), Some(80)));
    assert_eq!((flat.scale_offset, flat.scale_bytes), (Some(2480), Some(4)));
    assert_eq!((small.offset, control.offset, payload.len()), (2484, 2524, 2644));
    assert_eq!(payload.len() as u64, sample().payload_bytes());

    container::write(&s.path, &sample(), &baseline()).unwrap();
    assert_eq!(std::fs::read(&s.path).unwrap(), first);
    let (model, recipe) = container::read(&s.path).unwrap();
    assert_eq!(recipe, baseline());
    assert_same(&model, &sample());
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let whole = std::fs::read(&s.path).unwrap();
    // Every length near the ends, and a sweep between: first line, length, header, weights, checksum.
    let lengths = (0..64).chain((64..whole.len() - 16).step_by(37)).chain(whole.len() - 16..whole.len());
    for length in lengths {
        std::fs::write(&s.path, &whole[..length]).unwrap();
        assert_refused(&s.path, "not a whole caddie model file");
    }
}

#[test]
fn an_altered_byte_anywhere_is_refused() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let whole = std::fs::read(&s.path).unwrap();
    for i in (0..24).chain((24..whole.len()).step_by(29)).chain(whole.len() - 4..whole.len()) {
        let mut altered = whole.clone();
        altered[i] ^= 0x10;
        std::fs::write(&s.path, &altered).unwrap();
        assert_refused(&s.path, "not a whole caddie model file");
    }
    std::fs::write(&s.path, [whole.as_slice(), b"x"].concat()).unwrap();
    assert_refused(&s.path, "1 bytes follow its end");
}

#[test]
fn another_format_and_another_compressor_are_named() {
    let s = scratch();
    std::fs::write(&s.path, b"PK\x03\x04 a zip file").unwrap();
    assert_refused(&s.path, "does not start with `caddie-model 2 `");
    std::fs::write(&s.path, b"caddie-model 1 zlib\nwhatever").unwrap();
    assert_refused(&s.path, "another version of caddie");
    std::fs::write(&s.path, b"caddie-model 2 rar\nwhatever").unwrap();
    assert_refused(&s.path, "compressor `rar` is not known here; known are brotli, range, xz, zlib and zstd");
    std::fs::write(&s.path, b"caddie-model 2 \nwhatever").unwrap();
    assert_refused(&s.path, "names no compressor");
    std::fs::write(&s.path, [b"caddie-model 2 ".as_slice(), &[b'z'; 1000]].concat()).unwrap();
    assert_refused(&s.path, "first line does not end");
    let missing = container::read(&s.path.with_file_name("absent")).unwrap_err();
    assert!(matches!(missing, Error::Io { .. }) && missing.to_string().contains("absent"), "{missing}");
}

#[test]
fn bombs_are_refused_before_they_take_memory() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let (_, header, payload) = dissect(&s.path);

    forge(&s.path, u32::MAX, b"{}", &[]);
    assert_refused(&s.path, "declares a header of 4294967295 bytes");
    // Sizes that fit the shape, of a shape that no file of this length can fill.
    let mut declared = header.clone();
    declared.tensors.truncate(1);
    for (rows, because) in [(1 << 29, "more than the"), (1 << 60, "impossible shape"), (-1, "impossible shape")] {
        declared.tensors[0].shape = vec![rows, 30];
        declared.tensors[0].bytes = 30u64.wrapping_mul(rows as u64);
        declared.tensors[0].scale_offset = Some(declared.tensors[0].bytes);
        declared.tensors[0].scale_bytes = Some(2u64.wrapping_mul(rows as u64));
        forge_header(&s.path, &declared, &payload);
        assert_refused(&s.path, because);
    }
    // More comes out of the stream than the header declares.
    forge_header(&s.path, &header, &[payload.as_slice(), &[0; 1 << 20]].concat());
    assert_refused(&s.path, "more bytes than it declares");
    forge_header(&s.path, &header, &payload[1..]);
    assert_refused(&s.path, "it ends after");
}

#[test]
fn headers_that_lie_are_refused() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let (_, header, payload) = dissect(&s.path);
    type Lie<'a> = (&'a str, &'a dyn Fn(&mut Header));
    let lies: [Lie; 8] = [
        ("sizes that its shape does not have", &|h| h.tensors[0].offset = u64::MAX),
        ("sizes that its shape does not have", &|h| h.tensors[2].offset = 0),
        ("sizes that its shape does not have", &|h| h.tensors[0].bytes += 1),
        ("cannot have 9 bits", &|h| h.tensors[0].bits = 9),
        ("cannot have 6 bits", &|h| h.tensors[1].bits = 6),
        ("is there twice", &|h| h.tensors[1].name = h.tensors[0].name.clone()),
        ("differ from their SHA-256", &|h| h.payload_sha256 = "0".repeat(64)),
        ("the recipe inside does not hold", &|h| h.recipe = "[train]\niterations = 0\n".to_owned()),
    ];
    for (because, lie) in lies {
        let mut header = header.clone();
        lie(&mut header);
        forge_header(&s.path, &header, &payload);
        assert_refused(&s.path, because);
    }
    forge(&s.path, 9, b"{\"a\": 1}\n", &payload);
    assert_refused(&s.path, "unknown field");
    let deep = "[".repeat(100_000);
    forge(&s.path, deep.len() as u32, deep.as_bytes(), &[]);
    assert_refused(&s.path, "header");
    forge_header(&s.path, &header, &payload);
    container::read(&s.path).expect("the untouched header is accepted, so the lies were what failed");
}

#[test]
fn a_failed_write_leaves_the_earlier_file() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let before = std::fs::read(&s.path).unwrap();
    let mut broken = sample();
    broken.tensors[0].shape = vec![41, 30];
    let error = container::write(&s.path, &broken, &baseline()).unwrap_err();
    assert!(matches!(error, Error::Parameter { .. }) && error.to_string().contains("tok_emb.weight"), "{error}");
    assert_eq!(std::fs::read(&s.path).unwrap(), before);
}

#[test]
fn inspection_adds_up_for_a_model_file_and_for_a_checkpoint() {
    let s = scratch();
    let bytes = container::write(&s.path, &sample(), &baseline()).unwrap();
    let report = inspect(&s.path, 10_000).unwrap();
    assert_eq!((report.format, report.parameters, report.file_bytes), ("caddie-model", 2450, bytes));
    assert_eq!(report.payload_bytes, sample().payload_bytes());
    assert_eq!(report.share, bytes as f64 / 10_000.0);
    assert_eq!(Recipe::parse(report.recipe.as_deref().unwrap(), &[]).unwrap(), baseline());
    let emb = &report.tensors[0];
    assert_eq!(
        (emb.name.as_str(), emb.scheme.as_str(), emb.bits, emb.bytes),
        ("tok_emb.weight", "int_per_row", 8, 1280)
    );
    let (_, header, payload) = dissect(&s.path);
    let mut alone = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    alone.write_all(&payload[..1200]).unwrap();
    alone.write_all(&payload[2400..2480]).unwrap();
    assert_eq!(header.tensors[0].bytes, 1200);
    assert_eq!(emb.compressed, alone.finish().unwrap().len() as u64);

    let path = s.path.with_file_name("checkpoint.safetensors");
    let bytes = checkpoint::save(&path, &state(), &Default::default()).unwrap();
    let report = inspect(&path, 10_000).unwrap();
    assert_eq!((report.format, report.parameters, report.file_bytes), ("safetensors", 2450, bytes));
    assert_eq!((report.payload_bytes, report.tensors[0].bits, report.recipe), (9800, 32, None));
    assert!(inspect(&path, 0).is_err());

    std::fs::write(&path, "some other text file").unwrap();
    let text = inspect(&path, 10_000).unwrap_err().to_string();
    assert!(text.contains("no model file, and not a whole safetensors file"), "{text}");
}

/// The SHA-256 in the header is that of the payload, so that other tools can check it.
#[test]
fn the_stated_hash_is_the_payloads() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let (_, header, payload) = dissect(&s.path);
    assert_eq!(header.payload_sha256, format!("{:x}", Sha256::digest(&payload)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_model_survives_its_file(
        shapes in prop::collection::vec(prop::collection::vec(0i64..12, 0..4), 0..6),
        scale in prop::sample::select(vec![0.0, 1e-3, 1.0, 300.0]),
        keep in -1i64..60,
        codec in prop::sample::select(vec![CodecChoice::Zlib, CodecChoice::Zstd, CodecChoice::Xz, CodecChoice::Brotli]),
        level in prop::option::of(0u32..10),
        byte_shuffle in any::<bool>(),
        bits in 2u8..9,
    ) {
        let state: Vec<(String, Tensor)> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| {
                let n = shape.iter().product::<i64>();
                let name = if i % 2 == 0 { format!("blocks.{i}.w") } else { format!("blocks.{i}.q_gain") };
                (name, (Tensor::arange(n, (Kind::Float, Device::Cpu)).cos() * scale).reshape(shape))
            })
            .collect();
        let mut recipe = baseline();
        recipe.quant.keep_float_max_numel = keep;
        recipe.quant.codec = codec;
        recipe.quant.level = level;
        recipe.quant.byte_shuffle = byte_shuffle;
        recipe.quant.matrix.bits = bits;
        let model = quantize_all(&state, &recipe.quant).unwrap();
        let s = scratch();
        container::write(&s.path, &model, &recipe).unwrap();
        let (read, read_recipe) = container::read(&s.path).unwrap();
        prop_assert_eq!(read_recipe, recipe);
        assert_same(&read, &model);
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), framed in any::<bool>()) {
        let s = scratch();
        if framed {
            forge(&s.path, bytes.len() as u32, &bytes, &bytes);
        } else {
            std::fs::write(&s.path, [b"caddie-model 2 zlib\n", bytes.as_slice()].concat()).unwrap();
        }
        let refused = matches!(container::read(&s.path), Err(Error::Format { .. }));
        prop_assert!(refused);
    }
}

/// A recipe is text inside the file: what it claims is bounded before anything is built from it.
#[test]
fn a_recipe_inside_that_claims_impossible_sizes_is_refused() {
    let s = scratch();
    container::write(&s.path, &sample(), &baseline()).unwrap();
    let (_, header, payload) = dissect(&s.path);
    for (from, to) in [
        ("layout = \"A*9\"", "layout = \"A*4000000000000\""),
        ("model_dim = 512", "model_dim = 4000000000000"),
        ("num_heads = 8", "num_heads = 4000000000000"),
        ("mlp_mult = 2.0", "mlp_mult = 4e12"),
    ] {
        assert!(header.recipe.contains(from), "{from} is not in {}", header.recipe);
        let mut hostile = header.clone();
        hostile.recipe = header.recipe.replace(from, to);
        forge_header(&s.path, &hostile, &payload);
        assert_refused(&s.path, "the recipe inside does not hold");
    }
}

#[test]
fn the_smallest_codec_is_chosen_and_every_size_is_told() {
    let mut recipe = baseline();
    recipe.quant.codec = CodecChoice::Smallest;
    let encoded = container::encode(&sample(), &recipe).unwrap();
    assert_eq!(encoded.tried.len(), 5);
    let smallest = encoded.tried.iter().map(|(_, size)| *size).min().unwrap();
    assert_eq!(encoded.bytes.len() as u64, smallest);
    let s = scratch();
    assert_eq!(container::write(&s.path, &sample(), &recipe).unwrap(), smallest);
    assert_same(&container::read(&s.path).unwrap().0, &sample());
}
