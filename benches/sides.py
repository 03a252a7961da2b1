"""The two sides of the benchmark, each asked for the same work: caddie's engine and eager PyTorch."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from measure import Failed, Ran, run

EAGER = Path(__file__).resolve().parent / "eager" / "bench_eager.py"
# Steps that neither side counts, as in eager/training.py.
WARMUP = 2


@dataclass
class Case:
    """A model on its data."""

    name: str
    what: str
    base: str  # a built-in recipe
    overrides: dict
    data: Path
    steps: int  # timed
    checkpoint_steps: int  # training of the checkpoint that is scored; 0: nothing is scored

    def recipe(self, **more) -> list:
        return [f"--set={key}={value}" for key, value in (self.overrides | more).items()]


@dataclass
class Caddie:
    program: Path
    device: str
    env: dict

    def version(self) -> str:
        return run([self.program, "--version"], self.env).stdout.strip()

    def fixture(self, out: Path, docs: int) -> None:
        run([self.program, "fixture", out, "--seed", 1, "--docs", docs], self.env)

    def _train(self, case: Case, out: Path, **overrides) -> Ran:
        return run([self.program, "train", case.base, "--data", case.data, "--device", self.device, "--quiet", "--out", out,
                    *case.recipe(**overrides)], self.env)  # fmt: skip

    def checkpoint(self, case: Case, out: Path) -> Ran:
        """Trains the weights that both sides score; `out` receives log.txt and checkpoint.safetensors."""
        return self._train(case, out, iterations=case.checkpoint_steps)

    def train(self, case: Case, out: Path) -> dict:
        """Training speed over `case.steps` steps on the training clock of the log, after WARMUP steps.

        The mean over the steps, where eager's is the median: a slow step counts against caddie alone.
        """
        last = WARMUP + case.steps
        # Logging every step makes a GPU wait for each, as eager's side does.
        quick = {"iterations": last, "warmup_steps": 0, "train.warmdown_iters": 0, "train_log_every": 1, "val_loss_every": 0,
                 "checkpoint_every": 0, "max_wallclock_seconds": 0, "quant.level": 1}  # fmt: skip
        ran = self._train(case, out, **quick)
        log = (out / "log.txt").read_text()
        steps = {int(m[1]): m for m in re.finditer(r"^step:(\d+)/\d+ train_loss:(\S+) train_time:(\d+)ms", log, re.M)}
        tokens = re.search(r"^train_batch_tokens:(\d+)", log, re.M)
        parameters = re.search(r"^model_params:(\d+)", log, re.M)
        if not (tokens and parameters and WARMUP in steps and last in steps):
            raise Failed(f"{out / 'log.txt'} has no train_time of the steps {WARMUP} and {last}")
        seconds = (int(steps[last][3]) - int(steps[WARMUP][3])) / 1000
        return {
            "train_tokens_per_second": int(tokens[1]) * case.steps / seconds,
            "first_loss": float(steps[1][2]),
            "last_loss": float(steps[last][2]),
            "parameters": int(parameters[1]),
            "peak_rss_mib": ran.peak_rss_mib,
        }

    def ttt(self, case: Case, checkpoint: Path) -> dict:
        """Documents a second of `evaluate --mode ttt`, by its own eval_time."""
        ran = run([self.program, "evaluate", checkpoint, "--recipe", case.base, "--mode", "ttt", "--data", case.data,
                    "--device", self.device, *case.recipe()], self.env)  # fmt: skip
        metric = re.search(r"val_loss:(\S+) val_bpb:\S+ eval_time:(\d+)ms", ran.stdout)
        ledger = re.search(r"^ledger:ttt documents:(\d+) tokens:(\d+)", ran.stdout, re.M)
        if not (metric and ledger):
            raise Failed(f"caddie evaluate printed no eval_time or no ledger line:\n{ran.stdout}")
        documents, seconds = int(ledger[1]), int(metric[2]) / 1000
        return {
            "documents_per_second": documents / seconds,
            "documents": documents,
            "tokens": int(ledger[2]),
            "val_loss": float(metric[1]),
            "peak_rss_mib": ran.peak_rss_mib,
        }

    def verify(self, folder: Path) -> Ran:
        return run([self.program, "verify", folder, "--quiet"], self.env, accept=(0, 1))


@dataclass
class Eager:
    python: Path
    device: str
    threads: int
    env: dict

    def _bench(self, case: Case, recipe: Path, *what) -> dict:
        ran = run([self.python, EAGER, "--data", case.data, "--recipe", recipe, "--device", self.device,
                   "--threads", self.threads, *what], self.env)  # fmt: skip
        return json.loads(ran.stdout) | {"peak_rss_mib": ran.peak_rss_mib}

    def train(self, case: Case, recipe: Path) -> dict:
        """`recipe` is the log.txt of caddie's run: the same resolved recipe for both."""
        return self._bench(case, recipe, "--what", "train", "--steps", case.steps)

    def ttt(self, case: Case, recipe: Path, checkpoint: Path, projection: str) -> dict:
        return self._bench(case, recipe, "--what", "ttt", "--model", checkpoint, "--projection", projection)


def agree(what: str, caddie: dict, eager: dict, exact: tuple, close: dict) -> None:
    """Stops a comparison of two different things."""
    for key in exact:
        if caddie[key] != eager[key]:
            raise Failed(f"{what}: caddie has {key} {caddie[key]}, eager PyTorch {eager[key]}: not the same work")
    for key, tolerance in close.items():
        if not abs(caddie[key] - eager[key]) <= tolerance:
            raise Failed(f"{what}: caddie's {key} is {caddie[key]}, eager PyTorch's {eager[key]}: not the same algorithm")
