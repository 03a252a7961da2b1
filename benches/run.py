"""caddie's engine against eager PyTorch on this machine: the same model, data and algorithm on both sides, in turns.

    python3 benches/run.py --caddie target/release/caddie
    python3 benches/run.py --caddie target/release/caddie --quick         # does it work? (its numbers mean nothing)
    python3 benches/run.py --caddie target/release/caddie --device cuda --python /path/of/an/interpreter/with/torch

Prints Markdown for BENCHMARKS.md; --json FILE keeps every single measurement. Standard library only: torch and numpy live
in target/bench-venv, which is made on the first run unless --python names an interpreter that has torch 2.11.0.
"""

import argparse
import datetime
import json
import os
import platform
import random
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from measure import BUSY, TORCH, Failed, Neighbors, Sample, hardware, run, smallest_rss_mib
from report import markdown
from sides import Caddie, Case, Eager, agree

ROOT = Path(__file__).resolve().parent.parent


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def has_torch(python: Path) -> bool:
    code = f"import numpy, torch; raise SystemExit(torch.__version__.split('+')[0] != '{TORCH}')"
    try:
        return subprocess.run([python, "-c", code], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def interpreter(given: "Path | None") -> Path:
    """A Python with torch and numpy."""
    if given:
        if not has_torch(given):
            raise Failed(f"--python {given} has no torch {TORCH} and numpy; install them, or leave --python away")
        return given
    if sys.version_info < (3, 11):
        raise Failed("the eager side needs Python 3.11 or newer; name one with torch by --python")
    home = ROOT / "target" / "bench-venv"
    python = home / "bin" / "python"
    if not has_torch(python):
        say(f"making {home} with torch {TORCH} (fetches about 2 GB on Linux, once)")
        venv.create(home, clear=True)
        # pip of this interpreter, so that no package for venv's own pip is needed.
        install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", f"torch=={TORCH}", "numpy"]
        if subprocess.run(install, check=False).returncode != 0 or not has_torch(python):
            raise Failed(
                f"torch {TORCH} could not be installed in {home}; install python3-pip (22.3 or newer) and free 6 GB of disk, or "
                "name an interpreter that has it by --python"
            )
    return python


def write_random_shards(data: Path, tokenizer: Path, train_tokens: int, val_tokens: int) -> None:
    """Uniform ids below 1024 as official shards: for speed, ids are as good as text."""
    folder = data / "datasets" / "fineweb10B_sp1024"
    folder.mkdir(parents=True)
    (data / "tokenizers").mkdir()
    shutil.copy(tokenizer, data / "tokenizers" / tokenizer.name)
    low_bits = bytes(byte & 3 for byte in range(256))
    for split, count in (("train", train_tokens), ("val", val_tokens)):
        ids = bytearray(random.Random(split).randbytes(2 * count))
        ids[1::2] = ids[1::2].translate(low_bits)
        ids[:2], ids[-2:] = struct.pack("<H", 1), struct.pack("<H", 7)  # begins with a BOS and does not end with one
        header = struct.pack("<256i", 20240520, 1, count, *[0] * 253)
        (folder / f"fineweb_{split}_000000.bin").write_bytes(header + ids)


def cases(work: Path, caddie: Caddie, args: argparse.Namespace) -> list:
    """What is compared, with its data made."""
    quick = args.quick
    larger = {"name": "larger", "layout": "A*6", "model_dim": 256, "num_heads": 8, "num_kv_heads": 4, "train_seq_len": 512,
              "eval_seq_len": 512, "ttt_eval_seq_len": 512}  # fmt: skip
    demo_steps, larger_steps = ((2, 10), (2, 2)) if quick else ((30, 160), (12, 40))
    listed = [
        Case("demo", "4 layers × 128, 256 tokens of context", "demo", {}, work / "demo", *demo_steps),
        Case("larger", "6 layers × 256, 512 tokens of context", "demo", larger, work / "larger", *larger_steps),
    ]
    if args.device.startswith("cuda"):
        what = "9 layers × 512, 524,288 tokens a step, random tokens"
        listed.append(Case("NaiveBaseline", what, "baseline", {}, work / "random", 4 if quick else 200, 0))
    unknown = set(args.only) - {case.name for case in listed}
    if unknown:
        raise Failed(f"--only {unknown.pop()}: the cases on {args.device} are {', '.join(c.name for c in listed)}")
    caddie.fixture(work / "demo", 4 if quick else 48)
    caddie.fixture(work / "larger", 2 if quick else 16)
    tokenizer = next((work / "demo" / "tokenizers").iterdir())
    chosen = [case for case in listed if not args.only or case.name in args.only]
    if any(case.data == work / "random" for case in chosen):
        write_random_shards(work / "random", tokenizer, 1 << 24, 1 << 16)
    return chosen


def compare(case: Case, caddie: Caddie, eager: Eager, work: Path, repetitions: int) -> dict:
    """All measurements of a case: {"train": {side: [result, …]}, "ttt": {side: [result, …]}, "checkpoint_rss_mib"}."""
    found: dict = {"train": {"caddie": [], "eager": []}, "ttt": {}}
    for turn in range(repetitions):
        say(f"{case.name}: training, {turn + 1} of {repetitions}")
        out = work / f"train-{case.name}-{turn}"
        ours = caddie.train(case, out)
        theirs = eager.train(case, out / "log.txt")
        agree(f"{case.name}, training", ours, theirs, ("parameters",), {"first_loss": 0.05})
        found["train"]["caddie"].append(ours)
        found["train"]["eager"].append(theirs)
        shutil.rmtree(out)
    if not case.checkpoint_steps:
        return found
    say(f"{case.name}: training the checkpoint, {case.checkpoint_steps} steps")
    out = work / f"checkpoint-{case.name}"
    found["checkpoint_rss_mib"] = caddie.checkpoint(case, out).peak_rss_mib
    checkpoint, recipe = out / "checkpoint.safetensors", out / "log.txt"
    found["ttt"] = {"caddie": [], "window": [], "chunk": []}
    for turn in range(repetitions):
        say(f"{case.name}: test-time training, {turn + 1} of {repetitions}")
        ours = caddie.ttt(case, checkpoint)
        found["ttt"]["caddie"].append(ours)
        for projection in ("window", "chunk"):
            theirs = eager.ttt(case, recipe, checkpoint, projection)
            # Each side draws its own A matrices. Over four documents that alone moves val_loss by 0.03.
            agree(f"{case.name}, TTT", ours, theirs, ("documents", "tokens"), {"val_loss": 0.1})
            found["ttt"][projection].append(theirs)
    return found


def folder_to_verify() -> Path:
    """The rendered demo where the repository holds it."""
    rendered = sorted(ROOT.glob("records/*/*/submission.json"))
    return rendered[0].parent if rendered else ROOT / "fixtures" / "folders" / "good"


def memory(results: dict, caddie: Caddie) -> dict:
    """Peak resident memory in MiB of whole commands on the demo, the largest of the repetitions."""
    found = {}
    demo = results.get("demo")
    if demo:
        peak = lambda side: max(result["peak_rss_mib"] for result in side)  # noqa: E731
        found["caddie train"] = demo["checkpoint_rss_mib"]
        found["caddie evaluate --mode ttt"] = peak(demo["ttt"]["caddie"])
    verified = caddie.verify(folder_to_verify()).peak_rss_mib
    found["caddie verify"] = verified
    if demo:
        found["eager PyTorch, training"] = peak(demo["train"]["eager"])
        found["eager PyTorch, TTT (window)"] = peak(demo["ttt"]["window"])
        found["eager PyTorch, TTT (chunk)"] = peak(demo["ttt"]["chunk"])
    floor = smallest_rss_mib(caddie.env)
    return {name: f"at most {value:.0f}" if value <= floor * 1.05 else f"{value:.0f}" for name, value in found.items()}


def whole_commands(results: dict, caddie: Caddie, work: Path) -> dict:
    """Wall time in seconds of whole commands, start-up included, where hyperfine is installed."""
    if not shutil.which("hyperfine"):
        return {}
    commands = {"caddie verify": [caddie.program, "verify", "--quiet", folder_to_verify()]}
    if "demo" in results:
        checkpoint = work / "checkpoint-demo" / "checkpoint.safetensors"
        commands["caddie evaluate --mode full"] = [caddie.program, "evaluate", checkpoint, "--recipe", "demo", "--mode", "full",
                                                   "--data", work / "demo", "--device", caddie.device]  # fmt: skip
    found = {}
    for name, command in commands.items():
        out = work / "hyperfine.json"
        once = shlex.join(map(str, command))
        run(["hyperfine", "-N", "--warmup", 1, "--ignore-failure", "--export-json", out, once], caddie.env)
        found[name] = Sample(json.loads(out.read_text())["results"][0]["times"])
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caddie", type=Path, required=True, metavar="BIN", help="the release binary")
    parser.add_argument("--python", type=Path, metavar="PY", help=f"interpreter with torch {TORCH} and numpy")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N, for both sides")
    parser.add_argument("--threads", type=int, default=hardware()["cores"], help="for each side (default: all cores)")
    parser.add_argument("--repetitions", type=int, default=5, metavar="N")
    parser.add_argument("--only", action="append", default=[], metavar="CASE", help="demo, larger or NaiveBaseline")
    parser.add_argument("--quick", action="store_true", help="one short turn of everything")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every measurement")
    args = parser.parse_args()
    if args.threads < 1 or args.repetitions < 1:
        parser.error("--threads and --repetitions must be at least 1")
    if args.json and not args.json.resolve().parent.is_dir():
        parser.error(f"--json {args.json}: its folder does not exist")
    args.caddie = args.caddie.absolute()
    return args


def bench(args: argparse.Namespace) -> None:
    load = os.getloadavg()[0]
    if load > BUSY:
        say(f"warning: the load average is {load:.2f}; something else is running, so these numbers are no measurement")
    repetitions = 1 if args.quick else args.repetitions
    env = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    caddie = Caddie(args.caddie, args.device, env)
    facts = {"date": datetime.date.today().isoformat(), "caddie": caddie.version(), "machine": hardware(), "load_average": load,
             "python": platform.python_version(), "system": f"{platform.system()} {platform.release()}",
             "threads": args.threads, "device": args.device, "repetitions": repetitions, "quick": args.quick}  # fmt: skip
    eager = Eager(interpreter(args.python), args.device, args.threads, env)
    neighbors = Neighbors()
    with tempfile.TemporaryDirectory(prefix="caddie-bench-") as folder:
        work = Path(folder)
        listed = cases(work, caddie, args)
        results = {case.name: compare(case, caddie, eager, work, repetitions) for case in listed}
        resident, timed = memory(results, caddie), whole_commands(results, caddie, work)
    first = results[listed[0].name]["train"]["eager"][0]
    facts |= {"torch": first["torch"], "gpu": first["device"], "other_cores": neighbors.cores()}
    print(markdown(facts, listed, results, resident, timed))
    if args.json:
        times = {name: sample.values for name, sample in timed.items()}
        whole = facts | {"results": results, "peak_rss_mib": resident, "whole_commands_seconds": times}
        args.json.write_text(json.dumps(whole, indent=2) + "\n")


def main() -> None:
    try:
        bench(arguments())
    except Failed as failure:
        raise SystemExit(f"bench: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
