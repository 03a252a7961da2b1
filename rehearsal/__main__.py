"""The command: python -m rehearsal [OPTIONS] SCRIPT [ARGUMENTS]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import ledger, runner
from .emulation import emulate


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m rehearsal", description="Runs a contest script on the CPU.")
    parser.add_argument("--threads", type=int, default=1, help="threads that PyTorch computes with (default 1)")
    parser.add_argument("--compile", action="store_true", help="let torch.compile compile for the CPU")
    parser.add_argument("--hook", metavar="MODULE:FUNCTION", help="called with the loaded script before it starts")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write what was emulated as JSON")
    parser.add_argument("script", type=Path)
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="ARGUMENTS", help="arguments of the script")
    return parser.parse_args()


def main() -> None:
    options = arguments()
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


main()
