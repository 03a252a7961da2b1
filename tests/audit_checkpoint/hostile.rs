//! Model files that somebody made to deceive or to exhaust a reader.

use super::*;

#[test]
fn hostile_pickles_end_at_a_bound() {
    let folder = scratch();
    for (name, bytes) in [
        ("counts", b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.".to_vec()),
        ("lists", [b"\x80\x02".to_vec(), b"]".repeat(9_000_000)].concat()),
        ("nested", [b"\x80\x02".to_vec(), b"]".repeat(300_000), b"a".repeat(299_999), b".".to_vec()].concat()),
        ("frame", b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.".to_vec()),
        ("memo", b"\x80\x02h\x07.".to_vec()),
        ("cycle", b"\x80\x02]q\0h\0a.".to_vec()),
        // A list of two references to a list of two references …
        ("laughs", [b"\x80\x02]".to_vec(), b"q\0](h\0h\0e".repeat(100_000), b".".to_vec()].concat()),
    ] {
        write(folder.path(), name, &bytes);
        let (code, out, error) = run(folder.path(), &[name]);
        assert_eq!(code, Some(0), "{name}: {out}{error}");
        let whole = ["nested", "cycle", "laughs"].contains(&name);
        assert_eq!(out.contains("could not be read to its end"), !whole, "{name}: {out}");
    }
}

/// A zip whose directory names one deflated member many times.
fn bomb(copies: u32) -> Vec<u8> {
    let zeros = vec![0u8; 8 << 20];
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let packed = encoder.write_all(&zeros).and_then(|()| encoder.finish()).expect("compresses");
    let mut crc = flate2::Crc::new();
    crc.update(&zeros);
    let sizes =
        [crc.sum().to_le_bytes(), (packed.len() as u32).to_le_bytes(), (zeros.len() as u32).to_le_bytes()].concat();
    let name = b"archive/data/0";
    let common = [&[20, 0, 0, 0, 8, 0, 0, 0, 0, 0], sizes.as_slice(), &[name.len() as u8, 0]].concat();
    let mut zip = [b"PK\x03\x04".as_slice(), &common, &[0, 0], name, &packed].concat();
    let directory_at = zip.len() as u32;
    for _ in 0..copies {
        zip.extend([b"PK\x01\x02".as_slice(), &[20, 0], &common, &[0; 16], name].concat());
    }
    let directory = zip.len() as u32 - directory_at;
    let count = (copies as u16).to_le_bytes();
    zip.extend([b"PK\x05\x06".as_slice(), &[0; 4], &count, &count].concat());
    zip.extend([directory.to_le_bytes(), directory_at.to_le_bytes()].concat());
    zip.extend([0, 0]);
    zip
}

#[test]
fn a_zip_bomb_is_cut_and_said() {
    let folder = scratch();
    write(folder.path(), "model.pt", &bomb(1000));
    let (code, out, error) = run(folder.path(), &["model.pt"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(out.contains("declared to be more than the file, many times over"), "{out}");
    assert!(out.contains("lie over others"), "{out}");
    // One member alone, with more inside than any model has.
    let limited = caddie_checkpoint::parse_within(bomb(3), 20 << 20);
    assert!(limited.problems.iter().any(|problem| problem.contains("unpacks to more than is read")), "{limited:?}");
    assert_eq!(out.matches("is there twice").count(), 1, "said once: {out}");
    // A stream that unpacks to more than any model has.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    let zeros = vec![0; 1 << 20];
    (0..300).for_each(|_| encoder.write_all(&zeros).expect("compresses"));
    write(folder.path(), "model.ptz", &encoder.finish().expect("compresses"));
    let (code, out, _) = run(folder.path(), &["model.ptz", "--fail-on", "warning"]);
    assert_eq!(code, Some(1));
    assert!(out.contains("begins as zstd, but does not unpack: it unpacks to more than is read"), "{out}");
}

#[test]
fn damaged_files_are_read_or_refused_without_a_panic() {
    let mut state = 1u64;
    let mut random = move |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize % below
    };
    for entry in std::fs::read_dir(fixtures()).expect("the fixtures") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("reads");
        for _ in 0..20 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + random(4) {
                let at = random(damaged.len());
                damaged[at] = random(256) as u8;
            }
            damaged.truncate(damaged.len() - random(damaged.len().min(300)));
            let contents = caddie_checkpoint::parse(damaged);
            let whole: usize = contents.buffers.iter().map(|buffer| buffer.bytes.len()).sum();
            assert!(whole < 64 << 20);
        }
    }
}

#[test]
fn names_members_and_checksums_are_taken_as_torch_takes_them() {
    let (code, out, _) = run(&fixtures(), &["python2_set.pt"]);
    assert!(code == Some(0) && out.contains("nothing found"), "__builtin__.set of protocol 2 is a set: {out}");
    let (code, out, _) = run(&fixtures(), &["case.pt"]);
    assert!(code == Some(1) && out.contains("the pickle calls os.getenv"), "torch finds DATA.PKL: {out}");
    let (code, out, _) = run(&fixtures(), &["nocrc.pt"]);
    assert!(code == Some(0) && out.contains("checksums of the zip were not computed"), "{out}");
    assert!(!out.contains("unknown"), "a checksum that was never computed is no damage: {out}");
}

#[test]
fn one_checksum_of_zero_among_others_is_damage() {
    let folder = scratch();
    let mut bytes = std::fs::read(fixtures().join("state.pt")).expect("reads");
    // The checksum of the first entry in the directory.
    let entry = bytes.windows(4).position(|window| window == b"PK\x01\x02").expect("a directory");
    bytes[entry + 16..entry + 20].fill(0);
    write(folder.path(), "one.pt", &bytes);
    let (_, out, _) = run(folder.path(), &["one.pt"]);
    assert!(out.contains("unknown") && out.contains("differs from its checksum"), "{out}");
}

/// A safetensors file of this header and so many bytes of data.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..data).map(|index| (index * 37 % 251) as u8));
    bytes
}

#[test]
fn a_header_holds_what_its_tensors_need() {
    let folder = scratch();
    let tensor = r#""k": {"dtype": "F16", "shape": [8], "data_offsets": [0, 16]"#;
    let texts: String = (0..1000).map(|index| format!(r#""n{index:05}": "{}","#, "0a1b".repeat(20))).collect();
    let texts = texts.trim_end_matches(',');
    for (what, header, reason) in [
        ("metadata", format!(r#"{{"__metadata__": {{{texts}}}, {tensor}}}}}"#), "of the header are more"),
        ("a key", format!(r#"{{{tensor}, "note": "{}"}}}}"#, "0a".repeat(20_000)), "further key"),
        ("filling", format!("{{{tensor}}}}}{}", " \t\n".repeat(20_000)), "of the header are more"),
        ("twice", format!(r#"{{{tensor}}}, {tensor}}}}}"#), "twice"),
        ("offsets", r#"{"k": {"dtype": "F16", "shape": [8], "data_offsets": [0, 16, 9]}}"#.to_owned(), "3 offsets"),
        (
            "overlap",
            format!(r#"{{{tensor}}}, "l": {{"dtype": "F16", "shape": [8], "data_offsets": [0, 16]}}}}"#),
            "lie over one another",
        ),
    ] {
        write(folder.path(), "x.safetensors", &safetensors(&header, 16));
        let (_, out, _) = run(folder.path(), &["x.safetensors"]);
        assert!(out.contains(reason), "{what}: {out}");
    }
    let many: Vec<String> = (0..2000)
        .map(|index| {
            let at = index * 3;
            format!(r#""model.layers.{index}.attention.weight":{{"dtype":"F6_E2M3","shape":[2,2],"data_offsets":[{at},{}]}}"#, at + 3)
        })
        .collect();
    let header = format!(r#"{{"__metadata__":{{"format":"pt"}},{}}}  "#, many.join(","));
    write(folder.path(), "many.safetensors", &safetensors(&header, 6000));
    let (code, out, _) = run(folder.path(), &["many.safetensors"]);
    assert!(code == Some(0) && out.contains("nothing found") && out.contains("float6"), "{out}");
    let four = r#"{"k":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}}"#;
    write(folder.path(), "four.safetensors", &safetensors(four, 3));
    assert!(run(folder.path(), &["four.safetensors"]).1.contains("nothing found"));
}

/// A zip of stored members, in this order.
fn stored(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut zip, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        let (at, length) = (zip.len() as u32, (content.len() as u32).to_le_bytes());
        let name_length = (name.len() as u16).to_le_bytes();
        let common =
            [&[20, 0, 0, 0, 0, 0, 0, 0, 0, 0], &crc.sum().to_le_bytes()[..], &length, &length, &name_length, &[0, 0]];
        let common = common.concat();
        zip.extend([b"PK\x03\x04", common.as_slice(), name.as_bytes(), content].concat());
        directory
            .extend([b"PK\x01\x02\x14\x03", common.as_slice(), &[0; 10], &at.to_le_bytes(), name.as_bytes()].concat());
    }
    let (start, count) = ((zip.len() as u32).to_le_bytes(), (members.len() as u16).to_le_bytes());
    let size = (directory.len() as u32).to_le_bytes();
    zip.extend(directory);
    zip.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count, &size, &start, &[0, 0]].concat());
    zip
}

/// Which of two members of one name is read depends on the reader, and a pickle is one under any name.
#[test]
fn every_pickle_of_a_zip_is_read_whatever_its_name_and_place() {
    let folder = scratch();
    let (harmless, hostile): (&[u8], &[u8]) = (b"\x80\x02}.", b"\x80\x02cos\nsystem\nX\x02\0\0\0lsR.");
    for members in [
        vec![("a/data.pkl", harmless), ("a/data.pkl", hostile)],
        vec![("a/data.pkl", hostile), ("a/data.pkl", harmless)],
        vec![("a/data.pkl", harmless), ("A/DATA.PKL", hostile)],
        vec![("a/data.pkl", harmless), ("b/data.pkl", hostile)],
        vec![("a/data.pkl", harmless), ("a/extra/weights.bin", hostile)],
        vec![("a/constants.Pkl", hostile), ("a/data.pkl", harmless)],
    ] {
        write(folder.path(), "x.pt", &stored(&members));
        let (code, out, _) = run(folder.path(), &["x.pt"]);
        assert!(code == Some(1) && out.contains("the pickle calls os.system"), "{members:?}: {out}");
    }
    write(folder.path(), "good.pt", &stored(&[("a/data.pkl", harmless), ("a/version", b"3\n")]));
    assert_eq!(run(folder.path(), &["good.pt"]).0, Some(0));
}

/// A bare pickle may push and drop anything before it calls.
#[test]
fn a_pickle_is_known_by_whatever_it_begins_with() {
    let folder = scratch();
    for before in ["K\u{1}0", "N0", "I5\n0", "S'a'\n0", "(", "]0", "V\u{e9}\n0", "X\u{1}\0\0\0a0"] {
        let pickle = format!("{before}cos\nsystem\n(S'ls'\ntR.");
        write(folder.path(), "x.pkl", pickle.as_bytes());
        let (code, out, _) = run(folder.path(), &["x.pkl"]);
        assert!(code == Some(1) && out.contains("os.system"), "{before:?}: {out}");
    }
}

/// `pickle.load` twice on one open file runs the second as well, and `numpy.load` unpickles objects.
#[test]
fn a_pickle_is_found_wherever_a_loader_would_reach_it() {
    let folder = scratch();
    let (harmless, hostile): (&[u8], &[u8]) = (b"\x80\x02}.", b"\x80\x02cos\nsystem\nX\x02\0\0\0lsR.");
    let header: &[u8] = b"\x93NUMPY\x01\0\x3d\0{'descr': '|O', 'fortran_order': False, 'shape': (1,), }    \n";
    let array = [header, hostile].concat();
    let mut flagged = stored(&[("a/data.pkl", hostile)]);
    // The flag that means encryption, in the member's own header and in the directory.
    let directory = flagged.windows(4).rposition(|mark| mark == b"PK\x01\x02").expect("a directory");
    (flagged[6], flagged[directory + 8]) = (1, 1);
    for (name, bytes) in [
        ("appended.pkl", [harmless, hostile].concat()),
        ("third.pkl", [harmless, harmless, hostile].concat()),
        ("appended.pt", stored(&[("a/data.pkl", &[harmless, hostile].concat())])),
        ("breaks.pkl", b"cos\nsystem\n(X\xff\xff\0\0ls".to_vec()),
        ("objects.npy", array.clone()),
        ("objects.npz", stored(&[("a.npy", &array)])),
        ("flagged.pt", flagged),
    ] {
        write(folder.path(), name, &bytes);
        let (code, out, _) = run(folder.path(), &[name]);
        assert!(code == Some(1) && out.contains("os.system"), "{name}: {out}");
    }
    let numbers: &[u8] = b"\x93NUMPY\x01\0\x3d\0{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }   \n\0\0\0\0";
    write(folder.path(), "numbers.npy", numbers);
    let (code, out, _) = run(folder.path(), &["numbers.npy"]);
    assert!(code == Some(0) && out.contains("an array of NumPy") && out.contains("int32"), "{out}");
}
