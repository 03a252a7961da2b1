//! `caddie unwrap` and `caddie pack`: what a script carries, seen without running it.

mod support;

use std::path::Path;

use assert_cmd::Command;
use caddie_python::{Alone, Unwrapped, unwrap};
use proptest::prelude::*;
use support::Copy;

fn alone(source: &[u8]) -> Unwrapped {
    unwrap(source, "train_gpt.py", &Alone { file: "train_gpt.py", source })
}

fn caddie(arguments: &[&str], directory: &Path) -> std::process::Output {
    Command::cargo_bin("caddie").expect("the binary").current_dir(directory).args(arguments).output().expect("runs")
}

/// Each wrapper carries `print(123456789)` as Python's own encoders wrote it.
#[test]
fn wrappers_of_each_kind_come_off() {
    for (kind, wrapper) in [
        ("base64", "import base64 as B\nexec(B.b64decode('cHJpbnQoMTIzNDU2Nzg5KQ=='))"),
        (
            "base64",
            "from base64 import b64decode as d\ns = 'cHJpbnQoMTIz' 'NDU2Nzg5KQ=='\nexec(compile(d(s), 'x', 'exec'))",
        ),
        ("hexadecimal", "exec(bytes.fromhex('7072696e7428313233343536373839' + '29').decode())"),
        ("base64", "e = exec\nB = __import__('base64')\ne(B.b64decode(''.join(['cHJpbnQoMTIz', 'NDU2Nzg5KQ=='])))"),
        ("base64", "import base64\ndef f(s):\n    return base64.b64decode(s)\nexec(f('cHJpbnQoMTIzNDU2Nzg5KQ=='))"),
        (
            "file train_gpt.py, base64",
            "import base64\nexec(base64.b64decode(open(__file__).read().split('#' + '!')[1]))\n#!cHJpbnQoMTIzNDU2Nzg5KQ==",
        ),
    ] {
        // The payload has to be the larger part of the program: a longer one of the same beginning would be.
        let long = wrapper
            .replace("cHJpbnQoMTIz", &"IyMj".repeat(100))
            .replace("70726", &format!("{}0a70726", "23".repeat(300)));
        let unwrapped = alone(long.as_bytes());
        assert!(unwrapped.problems.is_empty(), "{long}: {:?}", unwrapped.problems);
        assert_eq!(unwrapped.layers.first().map(|layer| layer.kind()).as_deref(), Some(kind), "{long}");
    }
}

#[test]
fn a_checkout_is_refused_with_a_folder_to_give() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let folder = "records/track_10min_16mb/2026-01-01_One";
    std::fs::create_dir_all(dir.path().join(folder)).expect("creates");
    std::fs::write(dir.path().join(folder).join("train_gpt.py"), "print('one')\n").expect("writes");
    std::fs::write(dir.path().join("train_gpt.py"), "print('the baseline')\n").expect("writes");
    let output = caddie(&["unwrap", "."], dir.path());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && output.stdout.is_empty(), "{error}");
    assert!(error.contains("not a records folder") && error.contains(folder), "{error}");
    assert_eq!(caddie(&["unwrap", folder], dir.path()).stdout, b"print('one')\n");
}

#[test]
fn what_cannot_be_decoded_is_a_problem_with_its_line() {
    let unwrapped = alone(b"import base64, lzma\n\nexec(lzma.decompress(base64.b85decode('\"\"\"')))");
    let problem = unwrapped.problems.first().expect("a problem").to_string();
    assert!(problem.starts_with("line 3: exec: payload is not valid base85"), "{problem}");
    let unwrapped = alone(b"exec(open('../../etc/passwd').read())");
    let problem = unwrapped.problems.first().expect("a problem").to_string();
    assert!(problem.contains("no file"), "{problem}");
}

#[test]
fn a_script_is_packed_and_unwrapped_to_the_same_bytes() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let source = "import sys\nfor number in range(100):\n    print('a line', number)\n".repeat(40);
    std::fs::write(dir.path().join("train_gpt.py"), &source).expect("writes");
    let packed = caddie(&["pack", "train_gpt.py", "--minify", "never", "-o", "packed.py"], dir.path());
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    let unwrapped = caddie(&["unwrap", "packed.py"], dir.path());
    assert_eq!(unwrapped.stdout, source.as_bytes());
    assert!(String::from_utf8_lossy(&unwrapped.stderr).contains("raw LZMA2"));
    let plain = caddie(&["unwrap", "train_gpt.py"], dir.path());
    assert_eq!(plain.stdout, source.as_bytes());
    assert!(String::from_utf8_lossy(&plain.stderr).contains("no wrapper"));
    let run = |script: &str| std::process::Command::new("python3").arg(dir.path().join(script)).output();
    match (run("train_gpt.py"), run("packed.py")) {
        (Ok(plain), Ok(packed)) => assert_eq!((plain.stdout, true), (packed.stdout, packed.status.success())),
        _ => eprintln!("skipped: no python3 to run the packed script"),
    }
}

#[test]
fn a_script_that_hands_over_to_another_file_shows_that_file() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let inner = "print('inner')\n".repeat(50);
    std::fs::write(dir.path().join("inner.py"), &inner).expect("writes");
    let stub = "exec(open(__file__.replace('train_gpt.py','inner.py')).read())\n";
    std::fs::write(dir.path().join("train_gpt.py"), stub).expect("writes");
    let output = caddie(&["unwrap", "train_gpt.py"], dir.path());
    assert_eq!(output.stdout, inner.as_bytes());
    assert!(String::from_utf8_lossy(&output.stderr).contains("file inner.py"));
}

/// The rules and severities of a folder's findings on its code.
fn on_code(copy: &Copy) -> Vec<(String, String)> {
    let output = caddie(&["verify", copy.path.to_str().expect("UTF-8"), "--format", "json"], Path::new("."));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = report["folders"][0]["findings"].as_array().expect("findings").clone();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_owned();
    let code = findings.iter().filter(|finding| {
        ["size-code-one-file", "size-no-stub", "size-external-binary"].contains(&finding["rule"].as_str().unwrap_or(""))
    });
    code.map(|finding| (text(&finding["rule"]), text(&finding["severity"]))).collect()
}

#[test]
fn files_and_programs_that_a_script_uses_are_reported() {
    let found = |rule: &str, severity: &str| vec![(rule.to_owned(), severity.to_owned())];
    let copy = Copy::new();
    let write = |name: &str, text: &str| std::fs::write(copy.path.join(name), text).expect("writes");
    write("prepare.py", &"print('prepares the data')\n".repeat(20));
    assert!(on_code(&copy).is_empty(), "what nothing imports is not used");
    write("train_gpt.py", "import prepare\n");
    assert_eq!(on_code(&copy), found("size-code-one-file", "info"));
    write("train_gpt.py", "exec(open(__file__.replace('train_gpt', 'prepare')).read())\n");
    assert_eq!(on_code(&copy), found("size-no-stub", "warning"));
    write("train_gpt.py", "import subprocess\nsubprocess.run(['lrzip', 'a'])\nsubprocess.run(['nvidia-smi'])\n");
    assert_eq!(on_code(&copy), found("size-external-binary", "warning"));
}

/// Over the real scripts, where a checkout of the challenge is at hand.
#[test]
fn the_wrappers_of_the_merged_records_come_off() {
    let Ok(upstream) = std::env::var("CADDIE_UPSTREAM") else {
        eprintln!("skipped: CADDIE_UPSTREAM names no checkout of openai/parameter-golf");
        return;
    };
    for (folder, bytes) in [
        ("2026-04-03_MuonEqR_DepthRecurrence_WD090_AllInt6", 61173),
        ("2026-04-04_SP4096_DepthRecurrence_ParallelResid_MuonEqR", 83565),
        ("2026-04-05_SP8192_GPTQ-Embeddings_SDClip_Loop45x2", 43103),
        ("2026-04-06_SP8192_QK5_LegalTTT_1.0828", 48745),
        ("2026-04-08_SP8192_ParallelResid_ScoreFirstTTT", 50110),
        ("2026-04-09_A2_Muon097_3Seed", 58322),
        ("2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT", 48583),
        ("2026-04-06_SP8192_HessianSDClip_ProgressiveRecurrence", 80055),
    ] {
        let path = format!("{upstream}/records/track_10min_16mb/{folder}");
        let output = caddie(&["unwrap", &path], Path::new("."));
        assert_eq!((output.stdout.len(), output.status.code()), (bytes, Some(0)), "{folder}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_unwrap_panic(source in "(exec|eval|import lzma|open|__file__|b'|'|\\(|\\)|\\.|,|:|\n|[a-z]{1,3}|=|\\+|\\[|\\]|[0-9]|\\PC){0,60}") {
        let _ = alone(source.as_bytes());
        let _ = alone(format!("exec({source})").as_bytes());
    }

    #[test]
    fn no_payload_makes_unwrap_panic(payload in proptest::collection::vec(any::<u8>(), 0..200), codec in 0usize..6) {
        let hex: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
        let call = ["lzma.decompress", "zlib.decompress", "gzip.decompress", "brotli.decompress", "zstd.decompress", "base64.b85decode"][codec];
        let source = format!("import lzma, zlib, gzip, brotli, zstd, base64\nexec({call}(bytes.fromhex('{hex}')))\n");
        let _ = alone(source.as_bytes());
    }
}

#[test]
fn the_file_that_is_written_is_out_or_output_everywhere() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("a.py"), "print('a line')\n".repeat(500)).expect("writes");
    let good = support::good();
    let good = good.to_str().expect("UTF-8");
    for arguments in [
        vec!["unwrap", "a.py", "--output", "one"],
        vec!["pack", "a.py", "--minify", "never", "--output", "two"],
        vec!["verify", good, "--out", "three"],
    ] {
        let output = caddie(&arguments, dir.path());
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && dir.path().join(arguments[arguments.len() - 1]).is_file(), "{error}");
    }
}

/// Spellings of `exec` that Python runs, each around `print(123456789)` and 300 bytes of filling.
#[test]
fn every_spelling_of_exec_is_followed() {
    let payload = format!("'{}cHJpbnQoMTIzNDU2Nzg5KQ=='", "IyMj".repeat(100) + "Iwo=".trim_end_matches('=') + "Cg");
    let payload = payload.replace("IwoCg", "IwoK");
    for spelling in [
        "import builtins\ngetattr(builtins, 'ex' + 'ec')(S)",
        "__builtins__.__dict__['exec'](S)",
        "import builtins\nvars(builtins)['cexe'[::-1]](S)",
        "import sys\nsys.modules['builtins'].exec(S)",
        "globals()['__builtins__'].exec(S)",
        "__import__('builtins').exec.__call__(S)",
        "\u{ff45}\u{ff58}\u{ff45}\u{ff43}(S)",
        "list(map(exec, [S]))",
        "[exec(s) for s in [S]]",
        "if exec(S): pass",
        "assert exec(S) is None",
        "while True:\n    exec(S)\n    break",
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    exec(S)",
        "class A:\n    exec(S)",
        "class A:\n    s = S\n    @staticmethod\n    def go(): exec(A.s)\nA.go()",
        "class A:\n    def __init__(self, s): exec(s)\nA(S)",
        "@exec\n@lambda f: S\ndef f(): pass",
        "exec(*[S])",
        "import types\ntypes.FunctionType(compile(S, 'x', 'exec'), globals())()",
        "import timeit\ntimeit.timeit(S, number=1)",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-c', S], check=True)",
        "import os, sys\nos.execv(sys.executable, ['any', '-c', S])",
        "import subprocess, sys\nsubprocess.run([sys.executable, '-'], input=S, text=True)",
    ] {
        let script = format!("import base64\nS = base64.b64decode({payload}).decode()\n{spelling}\n");
        let unwrapped = alone(script.as_bytes());
        assert_eq!(unwrapped.problems, [], "{spelling}");
        assert_eq!(unwrapped.layers.len(), 1, "{spelling}");
        assert!(String::from_utf8_lossy(&unwrapped.source).ends_with("print(123456789)"), "{spelling}");
    }
}

/// What a wrapper computes before it decodes is computed as Python does.
#[test]
fn what_becomes_of_a_payload_first_is_as_in_python() {
    let plain = "IyMj".repeat(100) + "IwoK" + "cHJpbnQoMTIzNDU2Nzg5KQ==";
    let doubled: String = plain.chars().flat_map(|letter| [letter, '~']).collect();
    let backwards: String = plain.chars().rev().collect();
    for payload in [
        format!("'{doubled}'[::2]"),
        format!("'{backwards}'[-1::-1]"),
        format!("'é{plain}é'[1:-1]"),
        format!("'??{plain}!?'.strip('?!')"),
        format!("'IyMj' * 100 + '%s%s' % ('IwoK', '{}')", plain.get(404..).expect("the end")),
        format!("'##{plain}'.replace('#', '', 2)"),
        format!("f'{{\"{plain}\"}}'"),
        format!("'1:2:{plain}'.rsplit(':', 1)[-1]"),
        format!("'a\\x0b{plain}\\n'.splitlines()[1]"),
        format!("'a {plain}\\t'.split()[1]"),
        format!("'é|{plain}'['é|{plain}'.find('|') + 1:]"),
        format!("'{{}}{{x}}'.format('{}', x='{}')", plain.get(..4).expect("four"), plain.get(4..).expect("the rest")),
        format!("{{'k': 'no', 'k': '{plain}'}}['k']"),
    ] {
        let script = format!("import base64\nexec(base64.b64decode({payload}))\n");
        let unwrapped = alone(script.as_bytes());
        assert_eq!(unwrapped.problems, [], "{payload}");
        assert!(String::from_utf8_lossy(&unwrapped.source).ends_with("print(123456789)"), "{payload}");
    }
}

/// Scripts that Python runs, written by Python: a coding line, a zip, letters that are no ASCII, other ways to exec.
#[test]
fn the_wrappers_of_strangers_come_off() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wrappers");
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the fixtures") {
        let path = entry.expect("an entry").path();
        let unwrapped = alone(&std::fs::read(&path).expect("reads"));
        assert!(unwrapped.problems.is_empty() && unwrapped.layers.len() == 1, "{path:?} {:?}", unwrapped.problems);
        assert_eq!(unwrapped.source.len(), 2_343, "{path:?}");
        seen += 1;
    }
    assert_eq!(seen, 6);
}

/// What is not followed is told, and never passes for a script without a wrapper.
#[test]
fn what_could_not_be_followed_is_a_problem() {
    let packed = "QUJD".repeat(200);
    for (script, reason) in [
        (format!("import marshal\nexec(marshal.loads(b'{packed}'))"), "bytecode"),
        (format!("import x\nx.run('{packed}')"), "could not be followed"),
        (format!("import ctypes\nP = b'{packed}'\nctypes.pythonapi.PyRun_SimpleString(P)"), "could not be followed"),
        (format!("import threading\nS = '{packed}'\nthreading.Thread(target=exec, args=(S,)).start()"), "handed to"),
        (
            "import code\ncode.InteractiveInterpreter().runcode(compile('print(1)', 'x', 'exec'))".to_owned(),
            "handed to",
        ),
        (format!("# coding: utf-7\nexec('{packed}')"), "utf-7"),
        (format!("import builtins, x\ngetattr(builtins, x.y)('{packed}')"), "getattr"),
    ] {
        let unwrapped = alone(script.as_bytes());
        assert!(unwrapped.layers.is_empty(), "{reason}");
        let told = unwrapped.problems.iter().any(|problem| problem.to_string().contains(reason));
        assert!(told, "{reason}: {:?}", unwrapped.problems);
    }
    for innocent in [
        "import torch\nprint(torch.zeros(3))\n".to_owned(),
        format!("\"\"\"{}\"\"\"\nimport torch\nprint(1)\n", "A long description of the script. ".repeat(30)),
        format!("KEY = '{}'\nprint(KEY)\n", "ab".repeat(40)),
    ] {
        assert_eq!(alone(innocent.as_bytes()).problems, [], "{innocent}");
    }
}

/// A script that runs itself again is no wrapper of itself.
#[test]
fn a_script_that_runs_itself_is_no_wrapper() {
    for way in [
        "import subprocess, sys\nsubprocess.run([sys.executable, __file__, '--worker'])",
        "import importlib.util as u, os\ns = u.spec_from_file_location('m', os.path.abspath(__file__))\nprint(s)",
        "import subprocess\nsubprocess.run(['pyminify', '-'], input=open(__file__).read().encode() + b'#' * 9)",
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("train_gpt.py"), way).expect("writes");
        let output = caddie(&["unwrap", "train_gpt.py"], dir.path());
        assert!(output.status.success(), "{way}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("no wrapper"), "{way}");
    }
}

/// A file beside the script that is run in another way than by `exec` is what counts as well.
#[test]
fn every_way_to_run_a_file_is_followed() {
    let inner = "print(123456789)\n".repeat(40);
    for way in [
        "exec(open('inner.py').read())",
        "import runpy\nrunpy.run_path('inner.py', run_name='__main__')",
        "import runpy\nrunpy.run_module('inner', run_name='__main__')",
        "import importlib.util as u\ns = u.spec_from_file_location('m', 'inner.py')\ns.loader.exec_module(u.module_from_spec(s))",
        "import os, sys\nos.execv(sys.executable, [sys.executable, 'inner.py'])",
        "import os\nos.system('python3 inner.py --fast')",
        "import subprocess, sys\nsubprocess.run([sys.executable, 'inner.py'], check=True)",
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("train_gpt.py"), way).expect("writes");
        std::fs::write(dir.path().join("inner.py"), &inner).expect("writes");
        let output = caddie(&["unwrap", "train_gpt.py"], dir.path());
        assert!(output.status.success(), "{way}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), inner, "{way}");
    }
}
