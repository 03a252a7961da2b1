"""Runs one command and says how long it took and how much memory it held; medians of repeated runs."""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

TORCH = "2.11.0"
# Above this, in cores, other work disturbs the numbers: eager PyTorch's threads wait for each other in every operation.
BUSY = 0.5
RSS_UNIT = 1 if sys.platform == "darwin" else 1024


class Failed(Exception):
    """A command that did not do what the benchmark needs; the text says which and why."""


@dataclass
class Ran:
    stdout: str
    seconds: float
    peak_rss_mib: float


def run(command: list, env: dict, accept=(0,)) -> Ran:
    """Runs `command` to its end. Peak memory is the kernel's own count for this process (wait4)."""
    command = [str(part) for part in command]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        except OSError as error:
            raise Failed(f"{command[0]} cannot be started: {error.strerror}") from error
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode not in accept:
        tail = "\n".join((stdout + stderr).strip().splitlines()[-15:])
        raise Failed(f"{' '.join(command)}\nended with exit code {process.returncode}:\n{tail}")
    return Ran(stdout, seconds, usage.ru_maxrss * RSS_UNIT / 2**20)


def smallest_rss_mib(env: dict) -> float:
    """What `run` reports for a program that holds nothing: a child starts with this interpreter's own peak on its account."""
    return run(["true"], env).peak_rss_mib


class Neighbors:
    """How many cores other programs, or other guests of the same host, kept busy meanwhile."""

    def __init__(self):
        self.start = self._clocks()

    def cores(self) -> "float | None":
        if self.start is None:
            return None
        wall, busy, ours = (now - then for now, then in zip(self._clocks(), self.start, strict=True))
        return max(0.0, busy - ours) / wall

    @staticmethod
    def _clocks() -> "tuple[float, float, float] | None":
        """Seconds: on the wall, of all cores at work (steal counts), of this program and its finished children."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, stat.read_text().split()[1:9])
        busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
        usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.perf_counter(), busy, sum(usage.ru_utime + usage.ru_stime for usage in usages)


@dataclass
class Sample:
    """Repeated measurements of one quantity on one side."""

    values: list

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def text(self) -> str:
        if len(self.values) == 1:
            return number(self.median)
        return f"{number(self.median)} ({number(min(self.values))}–{number(max(self.values))})"


def number(value: float) -> str:
    """Four significant digits, whole above 1000."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def hardware() -> dict:
    """The machine that computes."""
    name = "unknown CPU"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        name = names[0] if names else name
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {"cpu": name, "cores": cores, "memory_gib": round(memory, 1)}
