"""The command: python -m rehearsal [OPTIONS] SCRIPT [ARGUMENTS]"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from . import sources
from .toy import Number


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rehearsal",
        description="Rehearses a contest script on the CPU at toy size, and reports how far it came.",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the report as JSON")
    parser.add_argument("--steps", type=int, default=6, help="training steps (default 6)")
    parser.add_argument("--seed", type=int, default=1337, help="the script's SEED and that of the corpus")
    parser.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting that the author gave the script; sizes are still made small, and paths of data replaced",
    )
    parser.add_argument("--exact", action="append", default=[], metavar="KEY=VALUE", help="a setting that stays as it is")
    parser.add_argument(
        "--size", action="append", default=[], metavar="NAME=N", help="the largest toy size of settings of this name"
    )
    parser.add_argument("--nproc", type=int, default=1, help="processes that train together (default 1)")
    parser.add_argument("--data", type=Path, metavar="DIR", help="use this corpus and make none")
    parser.add_argument("--full-size", action="store_true", help="build the model with the script's own sizes, and compute nothing")
    parser.add_argument("--losses", action="store_true", help="report the losses of single targets, where PyTorch's cross-entropy gives them")
    parser.add_argument("--prepare", action="store_true", help="make the corpus of the script and run nothing")
    parser.add_argument("--wall", type=float, default=300.0, metavar="SECONDS", help="give up after this time")
    parser.add_argument("--threads", type=int, default=1, help="threads that PyTorch computes with (default 1)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="run in this new folder and leave it")
    parser.add_argument("--no-walls", action="store_true", help="needed: the script runs as this user, with the network")
    plain = parser.add_argument_group(
        "plain runs", "the script as it is, in this process, with the settings of the environment and without walls"
    )
    plain.add_argument("--plain", action="store_true", help="a plain run; its report is what was emulated")
    plain.add_argument("--compile", action="store_true", help="a plain run; let torch.compile compile for the CPU")
    plain.add_argument("--hook", metavar="MODULE:FUNCTION", help="a plain run; called with the script before it starts")
    parser.add_argument("script", type=Path)
    parser.add_argument("rest", nargs="*", metavar="ARGUMENTS", help="arguments of the script, after -- where they look like options")
    return parser.parse_args()


def settings(pairs: list[str]) -> dict[str, str]:
    """The settings that are written as KEY=VALUE."""
    made = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise SystemExit(f"{pair}: write it as KEY=VALUE")
        made[name] = value
    return made


def sizes(pairs: list[str]) -> dict[str, Number]:
    """The sizes that are written as NAME=N, by name in lower case."""
    found = {name.lower(): sources.number(value) for name, value in settings(pairs).items()}
    wrong = [name for name, value in found.items() if value is None]
    if wrong:
        raise SystemExit(f"--size: {wrong[0]} is given no number")
    return {name: value for name, value in found.items() if value is not None}


def run_plainly(options: argparse.Namespace) -> None:
    """Runs the script in this process; an error of the script is an error of the command."""
    from . import ledger, runner
    from .emulation import emulate

    script = options.script.resolve()
    imports = emulate(threads=options.threads, compile=options.compile)
    hook = runner.find_hook(options.hook) if options.hook else None
    # Since here the process looks like the script's own.
    sys.argv = [str(script), *options.rest]
    sys.path.insert(0, str(script.parent))
    try:
        runner.run(script, imports, hook)
    finally:
        if options.report:
            ledger.write(options.report)
        else:
            print(ledger.report(), file=sys.stderr)


def rehearse(options: argparse.Namespace) -> None:
    """Rehearses the script. How far it came is in the report, and is no error of the command."""
    from . import harness
    from .toy import Toy

    if not options.no_walls:
        raise SystemExit("a script runs here as yourself: pass --no-walls for one that you trust, or use `caddie rehearse`, which has walls")
    if options.steps < 1 or options.nproc < 1:
        raise SystemExit("--steps and --nproc must be at least 1")
    if not options.script.is_file():
        raise SystemExit(f"{options.script} does not exist")
    request = harness.Request(
        script=options.script,
        toy=Toy(options.steps, options.seed, sizes(options.size)),
        settings=settings(options.env),
        exact=settings(options.exact),
        arguments=tuple(options.rest),
        processes=options.nproc,
        threads=options.threads,
        data=options.data,
        seconds=options.wall,
        keep=options.keep,
        prepare=options.prepare,
        losses=options.losses,
        full_size=options.full_size,
    )
    report = harness.rehearse(request)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    if options.report:
        options.report.write_text(text, encoding="utf-8")
        print(f"{report['status']}: reached {report['reached']} in {report['seconds']:.0f} s. {report.get('score_line') or ''}")
    else:
        print(text, end="")


def main() -> None:
    options = arguments()
    if options.plain or options.compile or options.hook:
        run_plainly(options)
    else:
        rehearse(options)


main()
