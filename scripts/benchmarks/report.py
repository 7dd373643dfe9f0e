"""What is shown of the figures: tables, plots, and the section of the page on performance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLOURS = {"mnn_gpu": "#0072b2", "mnn_gpu, JAX backend": "#56b4e9"}


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


GROUPS = {
    "One training step": "abcd",
    "Time to a result (median of 5 seeds if it trains)": ("e1", "e2", "h", "p"),
    "Prediction and reading": ("f1", "f2", "f3", "f4", "g"),
    "Peak memory of a process": ("i1", "i2"),
}


def table(jobs: Sequence[dict[str, Any]]) -> str:
    """Return the figures as Markdown: medians, and in brackets the ratio to mnn_gpu."""
    names = list(dict.fromkeys(name for job in jobs for name in job["contenders"]))
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for job in jobs:
        written = size if job.get("unit") == "bytes" else duration
        cells = []
        for name in names:
            row = job["contenders"].get(name)
            if row is None:
                cells.append("-")
            elif name == "mnn_gpu":
                cells.append(f"**{written(row['median'])}**")
            else:
                cells.append(f"{written(row['median'])} ({ratio(row['ratio'])})")
        lines.append(f"| {job['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ratio(value: float) -> str:
    """Write a ratio with three figures."""
    return f"{value:.2f}" if value < 99.5 else f"{value:.0f}"


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    machine, jobs = result["machine"], result["jobs"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    tables = "\n\n".join(
        f"**{title}**\n\n{table([jobs[name] for name in names])}" for title, names in GROUPS.items()
    )
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
        "![Time of one training step](results/cpu.png)\n\n"
        "mnn_gpu's time of a step grows with the rows of a full batch to the power "
        f"{jobs['j1']['slope']:.2f} from 20,000 rows (1 is linear), and with the units of both "
        f"hidden layers to the power {jobs['j2']['slope']:.2f} from 512 units (2 if the products "
        "between the hidden layers take all the time).\n\n"
        "![Growth of the time of a step](results/cpu-growth.png)"
    )


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the contenders of jobs a to d as bars against the limit of the matrix products."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    jobs = {name: result["jobs"][name] for name in GROUPS["One training step"]}
    figure, axes = plt.subplots(2, 2, figsize=(11, 6.4), layout="constrained")
    for axis, job in zip(axes.flat, jobs.values(), strict=False):
        rows = sorted(job["contenders"].items(), key=lambda item: -item[1]["median"])
        scale, unit = (1e3, "ms") if rows[-1][1]["median"] >= 1e-3 else (1e6, "us")
        names = [name for name, _ in rows]
        medians = [row["median"] * scale for _, row in rows]
        spread = [
            [abs(row["median"] - row["quartiles"][i]) * scale for _, row in rows] for i in (0, 1)
        ]
        colours = [COLOURS.get(name, "#b0b7bf") for name in names]
        bars = axis.barh(names, medians, xerr=spread, color=colours, ecolor="#555555")
        axis.bar_label(
            bars, [f" {m:,.0f}" if m >= 100 else f" {m:.3g}" for m in medians], padding=4
        )
        limit = job["flops"] / result["machine"]["limits"]["sgemm"] / 1e9 * scale
        axis.axvline(limit, color="#d55e00", linestyle="--")
        axis.annotate(
            " limit of the products", (limit, len(names) - 0.45), color="#d55e00", fontsize=8
        )
        axis.set_title(job["title"], fontsize=10, loc="left")
        axis.set_xlabel(f"{unit} a step, median and quartiles (shorter is better)", fontsize=8)
        axis.set_xlim(0, max(medians) * 1.18)
        axis.set_ylim(-0.6, len(names) - 0.1)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_growth(result: dict[str, Any], path: Path) -> None:
    """Draw the time of a step over the rows and over the units, with the fitted slope."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    labels = {"j1": "rows of a full batch", "j2": "units of each hidden layer"}
    for axis, (name, label) in zip(axes, labels.items(), strict=True):
        job = result["jobs"][name]
        sizes, seconds = job["sizes"], job["medians"]
        axis.loglog(sizes, seconds, "o-", color=COLOURS["mnn_gpu"], label="measured")
        fit = {int(n): value for n, value in job["fit"].items()}
        label_of_fit = f"slope {job['slope']:.2f} from {min(fit):,} on"
        axis.loglog([*fit], [*fit.values()], "--", color="#d55e00", label=label_of_fit)
        for n, value in zip(sizes, seconds, strict=True):
            axis.annotate(
                duration(value), (n, value), (6, -10), textcoords="offset points", fontsize=8
            )
        axis.set_title(job["title"], fontsize=10, loc="left")
        axis.set_xlabel(label, fontsize=9)
        axis.set_xticks(sizes, [f"{n:,}" for n in sizes], fontsize=8, rotation=30)
        axis.minorticks_off()
        axis.set_ylabel("seconds a step", fontsize=9)
        axis.margins(x=0.12)
        axis.legend(frameon=False, fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
