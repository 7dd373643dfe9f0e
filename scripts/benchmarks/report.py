"""What is shown of the figures: a table, a plot, and the README's section."""

from __future__ import annotations

from pathlib import Path
from typing import Any

START = "<!-- performance: written by scripts/bench, not by hand -->"
END = "<!-- end of performance -->"
COLOURS = {"mnn_gpu": "#0072b2", "mnn_gpu, JAX backend": "#56b4e9"}


def duration(seconds: float) -> str:
    """Write a duration with three figures."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            value = seconds / size
            return f"{value:.0f} {unit}" if value >= 99.5 else f"{value:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


def table(result: dict[str, Any]) -> str:
    """Return the figures as Markdown: medians, and in brackets the ratio to mnn_gpu."""
    names = list(dict.fromkeys(n for job in result["jobs"].values() for n in job["contenders"]))
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for job in result["jobs"].values():
        cells = []
        for name in names:
            row = job["contenders"].get(name)
            if row is None:
                cells.append("-")
            elif name == "mnn_gpu":
                cells.append(f"**{duration(row['median'])}**")
            else:
                cells.append(f"{duration(row['median'])} ({row['ratio']:.2f})")
        lines.append(f"| {job['title']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def section(result: dict[str, Any]) -> str:
    """Return the README's section."""
    machine = result["machine"]
    versions = ", ".join(f"{name} {v}" for name, v in machine["versions"].items() if v)
    return (
        f"{START}\n\n{table(result)}\n\n"
        f"Time of one training step, median of {result['rounds']} rounds in turn, each "
        "contender in a process of its own, all with the same loss after the same steps; in "
        "brackets how many times mnn_gpu's time it takes, pair by pair, so above 1 mnn_gpu is "
        "ahead and below 1 "
        f"behind. {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, "
        f"{versions}, {machine['date']}; a large float32 product ran at "
        f"{machine['limits']['sgemm']:.0f} GFLOP/s in the same run. All of it, quartiles, first "
        "calls and memory: [cpu.json](scripts/results/cpu.json); "
        "`scripts/bench` repeats it.\n\n"
        "![Time of one training step](scripts/results/cpu.png)\n\n"
        f"{END}"
    )


def write_readme(readme: Path, result: dict[str, Any]) -> None:
    """Put the section in its place."""
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    readme.write_text(before + section(result) + after, encoding="utf-8")


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw each job's contenders as bars against the limit of the matrix products."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    jobs = result["jobs"]
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
    for axis in list(axes.flat)[len(jobs) :]:
        axis.set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)
