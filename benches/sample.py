"""`caddie reproduce --sample` of one document in a hundred beside the whole evaluation: seconds and processor seconds, in turns.

    python3 benches/sample.py ARTIFACT DATA --caddie target/release/caddie [--repetitions 3] [--nonces 5]

BENCHMARKS.md says how the artifact and its data are made.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import time


def reproduce(args, more):
    """Seconds, processor seconds and the report of one run."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = [args.caddie, "reproduce", args.artifact, "--data", args.data, "--device", "cpu", "--format", "json", *more]
    ran = subprocess.run(command, check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, json.loads(ran.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("artifact")
    parser.add_argument("data")
    parser.add_argument("--caddie", required=True)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--nonces", type=int, default=5, help="samples beside each whole evaluation")
    args = parser.parse_args()
    whole, samples, starts = [], [], []
    for turn in range(args.repetitions):
        whole.append(reproduce(args, []))
        documents = whole[0][2]["seeds"][0]["documents"]
        for nonce in range(args.nonces):
            name = f"{turn}-{nonce}"
            samples.append(reproduce(args, ["--sample", str(round(documents / 100)), "--nonce", name]))
            starts.append(reproduce(args, ["--sample", "1", "--nonce", name]))
        print(f"turn {turn + 1} of {args.repetitions}", flush=True)
    print(f"{documents} documents, {round(documents / 100)} draws, load average {os.getloadavg()[0]:.2f}\n")
    print("| | seconds | processor seconds | documents |\n|---|---:|---:|---:|")
    rows = [("whole evaluation", whole), ("--sample of 1 %", samples), ("--sample 1", starts)]
    for name, runs in rows:
        seconds, spent = ([run[at] for run in runs] for at in (0, 1))
        compared = statistics.median(sum(seed["compared"] for seed in run[2]["seeds"]) for run in runs)
        shown = " | ".join(f"{statistics.median(of):.2f} ({min(of):.2f}–{max(of):.2f})" for of in (seconds, spent))
        print(f"| {name} | {shown} | {compared:.0f} |")
    medians = {name: [statistics.median(run[at] for run in runs) for at in (0, 1)] for name, runs in rows}
    share = [100 * one / other for one, other in zip(medians["--sample of 1 %"], medians["whole evaluation"])]
    print(f"\n--sample of 1 % takes {share[0]:.2f} % of the seconds and {share[1]:.2f} % of the processor seconds")


if __name__ == "__main__":
    main()
