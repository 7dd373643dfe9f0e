"""What is shown of the figures: a table, a plot, and the section of the page on performance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scripts import markdown

COLOURS = {"mnn_gpu": "#0072b2", "mnn_gpu, JAX backend": "#56b4e9"}
STEPS = "abcd"
GROUPS = {
    "One training step": STEPS,
    "Time to a result (median of 5 seeds if it trains)": ("e1", "e2", "h", "p"),
    "Prediction and reading": ("f1", "f2", "f3", "f4", "g"),
}


def duration(seconds: float) -> str:
    """Write a duration with three figures."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def size(count: float) -> str:
    """Write a number of bytes."""
    return f"{count / 1e6:,.0f} MB"


def ratio(value: float) -> str:
    """Write a ratio with three figures."""
    return f"{value:.2f}" if value < 99.5 else f"{value:.0f}"


def table(jobs: Sequence[dict[str, Any]]) -> str:
    """Return the figures as Markdown: medians, and in brackets the ratio to mnn_gpu."""
    names = list(dict.fromkeys(name for job in jobs for name in job["contenders"]))
    rows = [["", *names]]
    for job in jobs:
        written = size if job.get("unit") == "bytes" else duration
        cells = dict.fromkeys(names, "-")
        for name, row in job["contenders"].items():
            value = written(row["median"])
            is_ours = name == "mnn_gpu"
            cells[name] = f"**{value}**" if is_ours else f"{value} ({ratio(row['ratio'])})"
        rows.append([job["title"], *cells.values()])
    return markdown.table(rows)


def peaks(job: dict[str, Any]) -> dict[str, Any]:
    """Return the peak memory of the processes that measured a step, as a job for `table`."""
    ours = job["contenders"]["mnn_gpu"]["peak_memory"]
    rows = {
        name: {"median": row["peak_memory"], "ratio": row["peak_memory"] / ours}
        for name, row in job["contenders"].items()
    }
    return {"title": job["title"], "unit": "bytes", "contenders": rows}


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    machine, jobs = result["machine"], result["jobs"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    groups = {title: [jobs[name] for name in names] for title, names in GROUPS.items()}
    groups["Peak memory of a process that trains"] = [peaks(jobs[name]) for name in STEPS]
    tables = "\n\n".join(f"**{title}**\n\n{table(some)}" for title, some in groups.items())
    return (
        f"{tables}\n\n"
        f"Medians of {result['rounds']} interleaved rounds, each contender in its own process; "
        "steps are refused unless all reach the same loss. In brackets the ratio to mnn_gpu's "
        "figure, pair by pair: above 1 mnn_gpu is faster, below 1 slower. The "
        "notebook reaches 91.4% in its 1,000 iterations. "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['limits']['threads']} threads for "
        f"NumPy's matrix products, Python {machine['python']}, "
        f"{versions}, {machine['date']}; a large float32 product ran at "
        f"{machine['limits']['sgemm']:.0f} GFLOP/s in the same run. Quartiles, first "
        "calls and contenders left out: [cpu.json](results/cpu.json); "
        "`scripts/bench` repeats the measurement.\n\n"
        "![Time of one training step](results/cpu.png)"
    )


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the contenders of jobs a to d as bars against the limit of the matrix products."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 2, figsize=(11, 6.4), layout="constrained")
    for axis, name in zip(axes.flat, STEPS, strict=True):
        job = result["jobs"][name]
        rows = sorted(job["contenders"].items(), key=lambda item: -item[1]["median"])
        scale, unit = (1e3, "ms") if rows[-1][1]["median"] >= 1e-3 else (1e6, "us")
        names = [contender for contender, _ in rows]
        medians = [row["median"] * scale for _, row in rows]
        spread = [
            [abs(row["median"] - row["quartiles"][i]) * scale for _, row in rows] for i in (0, 1)
        ]
        colours = [COLOURS.get(contender, "#b0b7bf") for contender in names]
        bars = axis.barh(names, medians, xerr=spread, color=colours, ecolor="#555555")
        labels = [f" {m:,.0f}" if m >= 100 else f" {m:.3g}" for m in medians]
        axis.bar_label(bars, labels, padding=4)
        limit = job["flops"] / result["machine"]["limits"]["sgemm"] / 1e9 * scale
        axis.axvline(limit, color="#d55e00", linestyle="--")
        place = limit, len(names) - 0.45
        axis.annotate(" limit of the products", place, color="#d55e00", fontsize=8)
        axis.set_title(job["title"], fontsize=10, loc="left")
        axis.set_xlabel(f"{unit} a step, median and quartiles (shorter is better)", fontsize=8)
        axis.set_xlim(0, max(medians) * 1.18)
        axis.set_ylim(-0.6, len(names) - 0.1)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
