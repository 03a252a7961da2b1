"""`caddie verify` and `caddie audit` over every merged folder of a checkout, beside the time that CPython takes merely to
parse the scripts.

    python3 benches/verify.py --caddie target/release/caddie --upstream ../parameter-golf

Prints Markdown for BENCHMARKS.md. Standard library only.
"""

import argparse
import datetime
import os
import platform
import statistics
import sys
from pathlib import Path

from measure import BUSY, Failed, Neighbors, Sample, hardware, run, smallest_rss_mib

# Parses what verify parses, in the order of names; nothing of it is executed.
PARSE = """
import ast, pathlib, sys, warnings
warnings.simplefilter("ignore")
parsed = lines = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("**/*.py")):
    text = path.read_text(errors="replace")
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        pass
    parsed += 1
    lines += text.count("\\n")
print(parsed, lines)
"""


def forget(folder: Path) -> None:
    """Asks the kernel to drop the files of `folder` from memory, so that the next reader waits for the disk."""
    for path in folder.glob("**/*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(handle)


def times(command: list, repetitions: int, before=lambda: None, accept=(0, 1)) -> tuple:
    """Wall seconds of whole commands, start-up included, and the largest resident memory in MiB."""
    seconds, resident = [], 0.0
    for _ in range(repetitions):
        before()
        ran = run(command, dict(os.environ), accept=accept)
        seconds.append(ran.seconds)
        resident = max(resident, ran.peak_rss_mib)
    return Sample(seconds), resident


def each(caddie: Path, paths: list, repetitions: int) -> list:
    """Seconds of an audit of each path alone, start-up included: the medians, with the paths, slowest first."""
    audit = [caddie, "audit", "--fail-on", "never"]
    medians = [(statistics.median(times([*audit, path], repetitions, accept=(0, 2))[0].values), path) for path in paths]
    return sorted(medians, reverse=True)


def bench(args: argparse.Namespace) -> str:
    records = args.upstream / "records"
    folders = [path for path in records.glob("*/*") if path.is_dir()]
    if not folders:
        raise Failed(f"--upstream {args.upstream}: no records/<track>/<name> in it")
    size = sum(path.stat().st_size for path in records.glob("**/*") if path.is_file())
    load, neighbors, machine = os.getloadavg()[0], Neighbors(), hardware()
    verify = [args.caddie, "verify", "--quiet", records]
    run(verify, dict(os.environ), accept=(0, 1))
    warm, resident = times(verify, args.repetitions)
    parse = [sys.executable, "-c", PARSE, records]
    scripts, lines = run(parse, dict(os.environ)).stdout.split()
    python, python_resident = times(parse, args.repetitions)
    cold = times(verify, args.repetitions, lambda: forget(records))[0] if hasattr(os, "posix_fadvise") else None
    # One folder holds no script: exit code 2.
    audit, audit_resident = times([args.caddie, "audit", "--fail-on", "never", records], args.repetitions, accept=(0, 2))
    alone = each(args.caddie, folders, min(args.repetitions, 5))
    single = each(args.caddie, sorted(records.glob("**/*.py")), min(args.repetitions, 5))
    busy = neighbors.cores()
    quiet = max(load, busy or 0.0) <= BUSY
    floor = smallest_rss_mib(dict(os.environ))
    shown = lambda mib: f"at most {mib:.0f}" if mib <= floor * 1.05 else f"{mib:.0f}"  # noqa: E731
    version = run([args.caddie, "--version"], dict(os.environ)).stdout.strip()
    rows = [
        f"{datetime.date.today().isoformat()} · {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB · {version} · "
        f"Python {platform.python_version()} · {platform.system()} {platform.release()} · n = {args.repetitions} · load average at the "
        f"start {load:.2f}" + ("" if busy is None else f", {busy:.2f} cores busy with other work meanwhile")
        + ("" if quiet else " (**not a quiet machine**)"),
        "",
        f"{len(folders)} folders, {size / 1e6:.1f} MB, {scripts} scripts of {int(lines):,} lines.",
        "",
        "| whole command | seconds | peak resident MiB |",
        "|---|---:|---:|",
        f"| `caddie verify records/` | {warm.text()} | {shown(resident)} |",
        *([f"| the same, files not in memory | {cold.text()} | |"] if cold else []),
        f"| `caddie audit records/` | {audit.text()} | {shown(audit_resident)} |",
        f"| `caddie audit` of one folder, median over the folders | {statistics.median(value for value, _ in alone):.4f} | |",
        f"| the same, slowest folder ({alone[0][1].name}) | {alone[0][0]:.4f} | |",
        f"| `caddie audit` of one script, median over the scripts | {statistics.median(value for value, _ in single):.4f} | |",
        f"| the same, slowest script (of {single[0][1].parent.name}) | {single[0][0]:.4f} | |",
        f"| CPython, `ast.parse` of the scripts alone | {python.text()} | {shown(python_resident)} |",
        "",
        "Median (smallest–largest), start-up included.",
    ]
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caddie", type=Path, required=True, metavar="BIN", help="the release binary")
    parser.add_argument("--upstream", type=Path, required=True, metavar="DIR", help="a checkout of openai/parameter-golf")
    parser.add_argument("--repetitions", type=int, default=10, metavar="N")
    args = parser.parse_args()
    if args.repetitions < 1:
        parser.error("--repetitions must be at least 1")
    args.caddie = args.caddie.absolute()
    try:
        print(bench(args))
    except Failed as failure:
        raise SystemExit(f"bench: {failure}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
