"""The record stack of PR #1530: caddie's engine against upstream's own script, on this machine's CPU in f32.

    python benches/varlen.py UPSTREAM DATA [--caddie BINARY] [--modes caddie,eager,compile] [--repetitions 3]

The script runs unchanged under the rehearsal (see rehearsal/), as it is written (`eager`) and with what `torch.compile` makes
of it on a CPU (`compile`); caddie trains and scores the same shapes on the same data. The sides take turns. Prints JSON:
training tokens and documents of test-time training a second, the ratios of their medians, and for a mode that did not come
to its end, why. Run it with a Python that has scripts/parity/requirements.txt.
The machine has to be idle: beside other work two threads wait for each other in every operation; `neighbors_cores` tells.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import Neighbors, run

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODES = {"eager": [], "compile": ["--compile"]}
# Settings of the script, and the keys of the recipe that mean the same.
KEYS = {
    "VOCAB_SIZE": ["vocab_size"], "MODEL_DIM": ["model_dim"], "NUM_HEADS": ["num_heads"], "NUM_KV_HEADS": ["num_kv_heads"],
    "MLP_MULT": ["mlp_mult"], "ROPE_DIMS": ["rope_dims"], "LOOP_START": ["loop_start"], "LOOP_END": ["loop_end"],
    "NUM_LOOPS": ["num_loops"], "ENABLE_LOOPING_AT": ["enable_looping_at"], "PARALLEL_START_LAYER": ["parallel_start_layer"],
    "TRAIN_SEQ_LEN": ["train_seq_len"], "EVAL_SEQ_LEN": ["eval.eval_seq_len"], "TRAIN_BATCH_TOKENS": ["train_batch_tokens"],
    "ITERATIONS": ["iterations"], "WARMUP_STEPS": ["warmup_steps"], "VAL_LOSS_EVERY": ["val_loss_every"],
    "GPTQ_CALIBRATION_BATCHES": ["gptq_calibration_batches"], "EMA_DECAY": ["ema_decay"],
    "TTT_EVAL_SEQ_LEN": ["ttt_eval_seq_len"], "TTT_LORA_RANK": ["ttt_lora_rank"], "TTT_BATCH_SIZE": ["ttt_batch_size"],
    "TTT_CHUNK_SIZE": ["ttt_chunk_size"], "TTT_LORA_LR": ["ttt_lora_lr"],
}  # fmt: skip


def recipe(environment: dict[str, str]) -> list[str]:
    """The changes to varlen-ttt-small that make it the script's model and schedule."""
    changes = {key: environment[name] for name, keys in KEYS.items() if name in environment for key in keys}
    # Upstream takes 8 micro-steps on one GPU, and logs every step here.
    changes |= {"layout": f"A*{environment['NUM_LAYERS']}", "grad_accum_steps": 8, "train_log_every": 1,
                "checkpoint_every": 0, "eval.mode": "ttt", "eval.also": "[]"}  # fmt: skip
    return [f"--set={key}={value}" for key, value in changes.items()]


def measure_caddie(program: Path, settings: dict[str, Any], data: Path) -> dict[str, Any]:
    """Trains once and scores the model file with test-time training."""
    threads = str(settings["threads"])
    env = dict(os.environ, OMP_NUM_THREADS=threads, MKL_NUM_THREADS=threads)
    neighbors = Neighbors()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        changes = recipe(settings["environment"])
        run([program, "train", "varlen-ttt-small", "--data", data, "--device", "cpu", "--quiet", "--out", out, *changes], env)
        log = (out / "log.txt").read_text(encoding="utf-8")
        model = next(path for path in out.iterdir() if path.name.startswith("model."))
        scored = run([program, "evaluate", model, "--data", data, "--device", "cpu"], env).stdout
    ends = [0.0] + [float(ms) for ms in re.findall(r"^step:\d+/\d+ train_loss:\S+ train_time:(\d+)ms", log, re.M)]
    times = [(after - before) / 1000 for before, after in zip(ends, ends[1:], strict=False)]
    enabled = re.search(r"^layer_loop:enabled step:(\d+)", log, re.M)
    first = int(enabled[1]) if enabled else len(times)
    batch = int(settings["environment"]["TRAIN_BATCH_TOKENS"])
    train = {
        name: {"steps": len(part), "seconds_per_step": statistics.median(part),
               "tokens_per_second": batch / statistics.median(part)}
        for name, part in (("plain", times[:first]), ("looped", times[first:]))
        if part
    }  # fmt: skip
    train["val_loss"] = float(re.findall(r"val_loss:(\S+)", log)[0])
    documents = int(re.search(r"documents:(\d+)", scored)[1])
    seconds = float(re.search(r"eval_time:(\d+)ms", scored)[1]) / 1000
    ttt = {"documents": documents, "seconds": seconds, "documents_per_second": documents / seconds,
           "val_loss": float(re.search(r"_exact val_loss:(\S+)", scored)[1])}  # fmt: skip
    return {"mode": "caddie", "neighbors_cores": neighbors.cores(), "train": train, "ttt": ttt}


def ratios(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """caddie's median over each other mode's: above 1, caddie is faster."""
    def median(mode: str, *path: str) -> "float | None":
        found = []
        for one in runs:
            value: Any = one if one["mode"] == mode else None
            for key in path:
                value = value.get(key) if isinstance(value, dict) else None
            if value is not None:
                found.append(value)
        return statistics.median(found) if found else None

    what = {"train_plain": ("train", "plain", "tokens_per_second"), "train_looped": ("train", "looped", "tokens_per_second"),
            "ttt": ("ttt", "documents_per_second")}  # fmt: skip
    out: dict[str, Any] = {}
    for name, path in what.items():
        ours = median("caddie", *path)
        for mode in MODES:
            theirs = median(mode, *path)
            if ours and theirs:
                out[f"{name}: caddie/{mode}"] = round(ours / theirs, 3)
    return out


def reason(output: str) -> list[str]:
    """The last lines of what a failed run said."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    return lines[-12:]


def measure(mode: str, script: Path, settings: dict[str, Any], data: Path, limit: float) -> dict[str, Any]:
    """Runs the script once."""
    with tempfile.TemporaryDirectory() as folder:
        times = Path(folder) / "times.json"
        run_id = f"varlen_{mode}_{os.getpid()}"
        environment = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        environment |= settings["environment"]
        environment |= {
            "DATA_DIR": f"{data.resolve()}/",
            "RUN_ID": run_id,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(HERE)]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "OMP_NUM_THREADS": str(settings["threads"]),
            "VARLEN_TIMES": str(times),
            # A compiled kernel of an earlier run would hide what compilation costs.
            "TORCHINDUCTOR_CACHE_DIR": f"{folder}/inductor",
        }
        command = [sys.executable, "-m", "rehearsal", "--threads", str(settings["threads"]), *MODES[mode]]
        command += ["--hook", "varlen_hook:hook", "--report", f"{folder}/emulated.json", str(script)]
        neighbors = Neighbors()
        failure: dict[str, Any] = {}
        with open(Path(folder) / "output.txt", "w+", encoding="utf-8") as output:
            try:
                subprocess.run(
                    command,
                    cwd=folder,
                    env=environment,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    timeout=limit,
                    check=True,
                )
            except subprocess.TimeoutExpired:
                failure = {"failed": f"not done after {limit:.0f} s"}
            except subprocess.CalledProcessError as error:
                failure = {"failed": f"exit code {error.returncode}"}
            if failure:
                output.seek(0)
                failure["output"] = reason(output.read())
        # The script counts its batches of documents in this file.
        Path(f"/tmp/ttt_counter_{run_id}").unlink(missing_ok=True)
        known = json.loads(times.read_text(encoding="utf-8")) if times.exists() else {}
        return {"mode": mode, "neighbors_cores": neighbors.cores(), **known, **failure}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=Path, help="a checkout of the contest's repository")
    parser.add_argument("data", type=Path, help="what `caddie fixture DATA` made")
    parser.add_argument("--settings", type=Path, default=HERE / "varlen.json")
    parser.add_argument("--caddie", type=Path, default=ROOT / "target" / "release" / "caddie")
    parser.add_argument("--modes", default="caddie,eager,compile", help="which sides, in this order (default: %(default)s)")
    parser.add_argument("--repetitions", type=int, default=1, help="turns of every side (default: %(default)s)")
    parser.add_argument("--limit", type=float, default=1800, help="seconds that one run may take (default 1800)")
    options = parser.parse_args()
    settings = json.loads(options.settings.read_text(encoding="utf-8"))
    script = (options.upstream / settings["script"]).resolve()
    runs = []
    for _ in range(options.repetitions):
        for mode in options.modes.split(","):
            if mode == "caddie":
                runs.append(measure_caddie(options.caddie, settings, options.data))
            else:
                runs.append(measure(mode, script, settings, options.data, options.limit))
    print(json.dumps({"settings": settings, "precision": "float32", "runs": runs, "ratios": ratios(runs)}, indent=1))


if __name__ == "__main__":
    main()
