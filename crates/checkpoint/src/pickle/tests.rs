use proptest::prelude::*;

use super::*;

/// `{"a": [1, -2, 2**70, 1.5, None, True], "b": ("x", b"\x00\xff"), "c": OrderedDict([("k", {7})])}` as CPython 3.11
/// writes it, in protocols 0 to 5.
const OBJECTS: [&str; 6] = [
    "286470300a56610a70310a286c70320a49310a61492d320a614c313138303539313632303731373431313330333432344c0a6146312e350a614e614930310a617356620a70330a2856780a70340a635f636f646563730a656e636f64650a70350a28565c7530303030ff0a70360a566c6174696e310a70370a7470380a5270390a747031300a7356630a7031310a63636f6c6c656374696f6e730a4f726465726564446963740a7031320a2874527031330a566b0a7031340a635f5f6275696c74696e5f5f0a7365740a7031350a28286c7031360a49370a61747031370a527031380a73732e",
    "7d71002858010000006171015d7102284b014afeffffff4c313138303539313632303731373431313330333432344c0a473ff80000000000004e4930310a655801000000627103285801000000787104635f636f646563730a656e636f64650a710528580300000000c3bf710658060000006c6174696e31710774710852710974710a580100000063710b63636f6c6c656374696f6e730a4f726465726564446963740a710c2952710d58010000006b710e635f5f6275696c74696e5f5f0a7365740a710f285d71104b076174711152711273752e",
    "80027d71002858010000006171015d7102284b014afeffffff8a09000000000000000040473ff80000000000004e886558010000006271035801000000787104635f636f646563730a656e636f64650a7105580300000000c3bf710658060000006c6174696e31710786710852710986710a580100000063710b63636f6c6c656374696f6e730a4f726465726564446963740a710c2952710d58010000006b710e635f5f6275696c74696e5f5f0a7365740a710f5d71104b076185711152711273752e",
    "80037d71002858010000006171015d7102284b014afeffffff8a09000000000000000040473ff80000000000004e886558010000006271035801000000787104430200ff7105867106580100000063710763636f6c6c656374696f6e730a4f726465726564446963740a71082952710958010000006b710a636275696c74696e730a7365740a710b5d710c4b076185710d52710e73752e",
    "80049569000000000000007d94288c0161945d94284b014afeffffff8a09000000000000000040473ff80000000000004e88658c0162948c017894430200ff9486948c0163948c0b636f6c6c656374696f6e73948c0b4f726465726564446963749493942952948c016b948f94284b079073752e",
    "80059569000000000000007d94288c0161945d94284b014afeffffff8a09000000000000000040473ff80000000000004e88658c0162948c017894430200ff9486948c0163948c0b636f6c6c656374696f6e73948c0b4f726465726564446963749493942952948c016b948f94284b079073752e",
];

fn bytes_of(hex: &str) -> Vec<u8> {
    caddie_python::decode::hex(hex.as_bytes()).expect("hexadecimal")
}

fn entry<'a>(pickle: &'a Pickle, bytes: &[u8], key: &str) -> &'a Value {
    let Value::Dict(pairs) = pickle.get(pickle.root.expect("whole")) else { panic!("a dictionary") };
    let (_, value) = pairs.iter().find(|(name, _)| pickle.text(bytes, *name) == Some(key)).expect("the key");
    pickle.get(*value)
}

#[test]
fn every_protocol_of_python_builds_the_same() {
    for (protocol, hex) in OBJECTS.iter().enumerate() {
        let bytes = bytes_of(hex);
        let pickle = parse(&bytes, &Limits::default());
        assert_eq!((pickle.fault.as_ref(), pickle.end), (None, bytes.len()), "protocol {protocol}");
        let Value::List(items) = entry(&pickle, &bytes, "a") else { panic!("a list") };
        assert_eq!(items.iter().map(|id| pickle.int(*id)).collect::<Vec<_>>()[..2], [Some(1), Some(-2)]);
        assert!(matches!(pickle.get(items[2]), Value::Big(_)) && pickle.get(items[3]) == &Value::Float(1.5));
        assert_eq!((pickle.get(items[4]), pickle.int(items[5])), (&Value::None, Some(1)));
        let Value::Tuple(pair) = entry(&pickle, &bytes, "b") else { panic!("a tuple") };
        assert_eq!(pickle.text(&bytes, pair[0]), Some("x"));
        let Value::Object(ordered) = entry(&pickle, &bytes, "c") else { panic!("an object") };
        assert_eq!(pickle.global(ordered.callable), Some(("collections", "OrderedDict")));
        let global = pickle.globals.iter().find(|global| global.name == "OrderedDict").expect("listed");
        assert_eq!((global.calls, global.path().as_str()), (1, "collections.OrderedDict"));
    }
}

#[test]
fn what_runs_before_a_fault_is_listed() {
    let pickle = parse(b"cos\nsystem\n(S'true'\ntR\xff", &Limits::default());
    assert_eq!((pickle.root, pickle.globals.len()), (None, 1));
    assert_eq!((pickle.globals[0].path().as_str(), pickle.globals[0].calls), ("os.system", 1));
    assert!(pickle.fault.is_some_and(|fault| fault.to_string().contains("0xff is not an opcode")));
}

#[test]
fn every_way_to_call_is_a_call() {
    // REDUCE, INST, OBJ, NEWOBJ, NEWOBJ_EX, STACK_GLOBAL, and a result that is popped off again.
    for bytes in [
        b"cos\nsystem\n(S'true'\ntR.".as_slice(),
        b"(S'true'\nios\nsystem\n.",
        b"(cos\nsystem\nS'true'\no.",
        b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85\x81.",
        b"\x80\x04cos\nsystem\nX\x04\0\0\0true\x85}\x92.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R0N.",
    ] {
        let pickle = parse(bytes, &Limits::default());
        assert_eq!(pickle.fault, None, "{bytes:?}");
        assert_eq!((pickle.globals[0].path().as_str(), pickle.globals[0].calls), ("os.system", 1), "{bytes:?}");
    }
    let computed = parse(b"\x80\x04NN\x93)R)R.", &Limits::default());
    assert_eq!(computed.globals[0].module, "<computed>");
    assert_eq!(computed.odd_calls.len(), 1, "the result of a call is called");
    assert_eq!(parse(b"\x80\x02\x82\x07.", &Limits::default()).globals[0].name, "7");
}

#[test]
fn hostile_streams_end_at_a_bound() {
    let limits = Limits { ops: 100_000, values: 1000, globals: 10 };
    let many = |part: &[u8]| part.repeat(50_000);
    for (bytes, reason) in [
        (many(b"]"), "more than 1000 values"),
        ([b"]".to_vec(), many(b"2")].concat(), "references"),
        (many(b"("), "references"),
        ([b"N".to_vec(), many(b"p0\n")].concat(), "references"),
        (b"B\xff\xff\xff\x7f".to_vec(), "are declared"),
        (b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(), "a length of"),
        (b"h\x05.".to_vec(), "never set"),
        (b"(t0.".to_vec(), "the stack is empty"),
        (b"N(u.".to_vec(), "other than a dictionary"),
        (b"}(Nu.".to_vec(), "a key without a value"),
        (b"N".to_vec(), "without STOP"),
        (b"\x80\x09N.".to_vec(), "a protocol"),
        ((0..20).flat_map(|i| format!("ca\nb{i}\n").into_bytes()).collect(), "different names"),
    ] {
        let fault = parse(&bytes, &limits).fault.unwrap_or_else(|| panic!("{reason}"));
        assert!(fault.reason.contains(reason), "{fault} is not {reason}");
    }
    let endless = parse(&many(b"\x98").repeat(3), &limits);
    assert!(endless.fault.is_some_and(|fault| fault.reason.contains("100000 operations")));
}

/// A value to be written and read again.
#[derive(Debug, Clone)]
enum Sample {
    Int(i64),
    Text(String),
    List(Vec<Sample>),
    Dict(Vec<(String, Sample)>),
}

impl Sample {
    fn write(&self, out: &mut Vec<u8>) {
        let text = |text: &str, out: &mut Vec<u8>| {
            out.push(b'X');
            out.extend((text.len() as u32).to_le_bytes());
            out.extend(text.as_bytes());
        };
        match self {
            Sample::Int(value) => {
                out.extend([0x8a, 8]);
                out.extend(value.to_le_bytes());
            }
            Sample::Text(value) => text(value, out),
            Sample::List(items) => {
                out.extend(b"](");
                items.iter().for_each(|item| item.write(out));
                out.push(b'e');
            }
            Sample::Dict(items) => {
                out.extend(b"}(");
                for (key, item) in items {
                    text(key, out);
                    item.write(out);
                }
                out.push(b'u');
            }
        }
    }

    fn is(&self, pickle: &Pickle, bytes: &[u8], id: Id) -> bool {
        match (self, pickle.get(id)) {
            (Sample::Int(value), Value::Int(read)) => value == read,
            (Sample::Text(value), Value::Text(_)) => pickle.text(bytes, id) == Some(value),
            (Sample::List(items), Value::List(ids)) => {
                items.len() == ids.len() && items.iter().zip(ids).all(|(item, id)| item.is(pickle, bytes, *id))
            }
            (Sample::Dict(items), Value::Dict(pairs)) => {
                let same = |((key, item), (name, id)): (&(String, Sample), &(Id, Id))| {
                    pickle.text(bytes, *name) == Some(key) && item.is(pickle, bytes, *id)
                };
                items.len() == pairs.len() && items.iter().zip(pairs).all(same)
            }
            _ => false,
        }
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    let leaf = prop_oneof![any::<i64>().prop_map(Sample::Int), ".{0,20}".prop_map(Sample::Text)];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Sample::List),
            prop::collection::vec((".{0,8}", inner), 0..8).prop_map(Sample::Dict),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(sample in samples()) {
        let mut bytes = vec![0x80, 2];
        sample.write(&mut bytes);
        bytes.push(b'.');
        let pickle = parse(&bytes, &Limits::default());
        prop_assert_eq!(&pickle.fault, &None);
        prop_assert!(sample.is(&pickle, &bytes, pickle.root.expect("whole")));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let pickle = parse(&bytes, &Limits::default());
        prop_assert!(pickle.end <= bytes.len() && pickle.root.is_some() != pickle.fault.is_some());
    }

    /// Opcodes alone, in any order: far more of them apply than of any bytes.
    #[test]
    fn any_opcodes_are_read_or_refused(ops in prop::collection::vec(prop::sample::select(
        b"(.012NQR)ad}el]ostu\x81\x85\x86\x87\x88\x8f\x90\x91\x92\x93\x94\x97\x98b".to_vec()), 0..200)) {
        let pickle = parse(&ops, &Limits::default());
        prop_assert!(pickle.len() <= ops.len() * 2);
    }
}
