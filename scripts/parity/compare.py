"""Compares the engine with upstream's own scripts, number by number, and writes the table: `make parity UPSTREAM=DIR`.

    python3 scripts/parity/compare.py UPSTREAM [--heads HEADS] --caddie BINARY --compare PROGRAM [--write docs/parity.md]
        [--keep DIR] [--only NAME …]

Makes a Python environment with torch in target/parity-venv on the first run, a data set with `caddie fixture`, the references
with reference.py, and gives them to the engine's example `parity`, which does the same work and prints the differences. With --only
the other sections of the page stay as they are; each says when it was made.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from settings import REFERENCES

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

HEAD = """# Parity with upstream's scripts

Written by `make parity UPSTREAM=DIR`, with DIR a checkout of openai/parameter-golf. Each script runs unmodified and in f32 on a
CPU, under the rehearsal in `rehearsal/`, at toy size on a corpus of `caddie fixture`; `scripts/parity/README.md` says what is
recorded and where f32 differs from the real run. The engine takes the script's initial weights, batches, calibration data and
adapters and does the same work. A stage starts from what the script had at that point, so that a difference shows where it
arises; the last line goes the whole way alone.

What is left is rounding: sums are added in another order. Integer codes that differ are weights that lay within rounding of
the middle between two integers; GPTQ then carries the other choice into later columns of the same row. A training that rounds its
weights does the same at every step, so there the table allows what the engine differs by from itself, when its initial weights
differ in their last bit. "By rounding alone" says the same of a whole way that ends further apart than 0.0001.

"""


def python_with_torch() -> Path:
    """The interpreter of target/parity-venv, made when it is not there."""
    home = ROOT / "target" / "parity-venv"
    python = home / "bin" / "python"
    done = home / "complete"
    if not done.exists():
        print(f"parity: making {home.relative_to(ROOT)} with torch (about 3 GB, once)", file=sys.stderr)
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", HERE / "requirements.txt"], check=True)
        done.touch()
    return python


def check_recorded(folder: Path, name: str) -> None:
    """Ends the program when a kept reference is not complete, or is not of today's settings."""
    settings = REFERENCES[name]
    complete = (folder / "scores.json").exists()
    kept = json.loads((folder / "settings.json").read_text(encoding="utf-8")) if complete else {"environment": {}}
    same = kept.get("script") == settings.script and settings.environment.items() <= kept["environment"].items()
    if not same or kept.get("patches") != settings.patches:
        raise SystemExit(f"{folder} is no complete reference of these settings; delete it")


def sections(text: str) -> dict[str, str]:
    """The sections of a page, by the script that each is about."""
    parts = re.split(r"(?m)^(?=## )", text)[1:]
    return {part.splitlines()[0].removeprefix("## "): part.rstrip() + "\n" for part in parts}


def page(path: Path, compared: str) -> str:
    """The page with these sections in place of their older selves, in the order of the references."""
    today = datetime.datetime.now(datetime.timezone.utc).date()
    made = f"Compared on {today}, {platform.machine()}, {platform.system()}.\n"
    new = {script: f"{section}\n{made}" for script, section in sections(compared).items()}
    old = sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    order = [settings.script for settings in REFERENCES.values()]
    return HEAD + "\n".join({**old, **new}[script] for script in order if script in {**old, **new})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("upstream", type=Path, help="a checkout of openai/parameter-golf")
    parser.add_argument("--heads", type=Path, help="a folder of pull requests' folders, HEADS/<number>/records/<track>/<name>")
    parser.add_argument("--caddie", type=Path, required=True)
    parser.add_argument("--compare", type=Path, required=True, help="the engine's example parity")
    parser.add_argument("--python", type=Path, help="an interpreter that has scripts/parity/requirements.txt")
    parser.add_argument("--write", type=Path, help="where the table goes besides standard output")
    parser.add_argument("--keep", type=Path, help="a folder for the references, which are not recorded again where they are")
    parser.add_argument("--only", nargs="+", choices=list(REFERENCES), help="the references to compare; all without it")
    args = parser.parse_args()
    asked = args.only or list(REFERENCES)
    places = {
        name: args.upstream if settings.pull is None else args.heads / str(settings.pull)
        for name, settings in REFERENCES.items()
        if name in asked and (settings.pull is None or args.heads)
    }
    for name in set(asked) - places.keys():
        number = REFERENCES[name].pull
        print(f"parity: {name} is left out: pull request {number} is not merged, so its folder needs --heads", file=sys.stderr)
    python = args.python or python_with_torch()
    with tempfile.TemporaryDirectory() as temporary:
        work = args.keep or Path(temporary)
        data = work / "data"
        if not data.exists():
            fixture = ["fixture", data, "--seed", "1", "--docs", "48", "--train-tokens", "200000"]
            subprocess.run([args.caddie, *fixture], check=True, stdout=subprocess.DEVNULL)
        for name, place in places.items():
            if (work / name).exists():
                check_recorded(work / name, name)
                continue
            print(f"parity: running upstream's script for {name}", file=sys.stderr)
            command = [python, HERE / "reference.py", name, place, data, work / name]
            subprocess.run(command, check=True, stdout=sys.stderr)
        print("parity: comparing", file=sys.stderr)
        compared = subprocess.run([args.compare, *(work / name for name in places)], stdout=subprocess.PIPE, text=True)
    print(compared.stdout)
    if args.write and compared.stdout:
        args.write.write_text(page(args.write, compared.stdout), encoding="utf-8")
    sys.exit(compared.returncode)


if __name__ == "__main__":
    main()
