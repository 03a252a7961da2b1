"""The benchmark's Markdown."""

from measure import BUSY, TORCH, Sample
from sides import WARMUP, Case


def table(case: Case, found: dict) -> list:
    """Markdown rows of a case: medians, with smallest and largest."""
    rows = []

    def row(what: str, key: str, caddie: list, eager: list) -> None:
        ours, theirs = (Sample([result[key] for result in side]) for side in (caddie, eager))
        rows.append(f"| {what} | {ours.text()} | {theirs.text()} | {ours.median / theirs.median:.2f}× |")

    row(f"{case.name}: train tokens/s", "train_tokens_per_second", found["train"]["caddie"], found["train"]["eager"])
    for projection in [p for p in ("window", "chunk") if p in found["ttt"]]:
        what = f"{case.name}: TTT documents/s, eager projects the {projection}"
        row(what, "documents_per_second", found["ttt"]["caddie"], found["ttt"][projection])
    return rows


def quiet(facts: dict) -> str:
    """Whether the machine had time for this."""
    load, others = facts["load_average"], facts["other_cores"]
    text = f"load average at the start {load:.2f}"
    if others is not None:
        text += f", {others:.2f} cores busy with other work meanwhile"
    return text + (" (**not a quiet machine**)" if max(load, others or 0.0) > BUSY else "")


def markdown(facts: dict, listed: list, results: dict, resident: dict, timed: dict) -> str:
    """Everything for BENCHMARKS.md: the machine, the comparison, what was compared, and the memory."""
    machine, scored = facts["machine"], [case for case in listed if case.checkpoint_steps]
    lines = [
        f"{facts['date']} · {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
        + (f" · {facts['gpu']}" if facts["gpu"] != "cpu" else ""),
        f"· {facts['caddie']}, libtorch {TORCH} · torch {facts['torch']}, Python {facts['python']} · {facts['system']}",
        f"· {facts['threads']} threads on each side · n = {facts['repetitions']}, sides in turns · {quiet(facts)}",
        "",
        "| | caddie | eager PyTorch | ratio |",
        "|---|---:|---:|---:|",
        *[line for case in listed for line in table(case, results[case.name])],
        "",
        "Median (smallest–largest). " + " ".join(f"{case.name}: {case.what}." for case in listed),
        f"Training: {', '.join(f'{case.steps} steps ({case.name})' for case in listed)} after {WARMUP} that are not counted; a "
        "caddie repetition is the mean over its steps, an eager one the median.",
    ]
    if scored:
        documents = ", ".join(f"{results[c.name]['ttt']['caddie'][0]['documents']} ({c.name})" for c in scored)
        losses = ", ".join(
            f"{results[c.name]['ttt']['caddie'][0]['val_loss']:.4f} against {results[c.name]['ttt']['window'][0]['val_loss']:.4f}"
            for c in scored
        )
        lines.append(f"Test-time training: all {documents} documents of the set, one checkpoint; val_loss {losses}.")
    lines += ["", "| peak resident memory on the demo | MiB |", "|---|---:|"]
    lines += [f"| {name} | {value} |" for name, value in resident.items()]
    if timed:
        lines += ["", "| whole command | seconds |", "|---|---:|"]
        lines += [f"| {name} | {sample.text()} |" for name, sample in timed.items()]
    return "\n".join(lines)
