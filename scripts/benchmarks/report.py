"""The figures as tables, and the section of the page on performance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scripts import markdown

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
        "`scripts/bench` repeats the measurement."
    )
