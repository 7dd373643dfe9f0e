"""The figures as tables, and the section of the page on performance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scripts import markdown
from scripts.benchmarks.harness import RESULTS

STEPS = "abcd"
GROUPS = {
    "One training step": STEPS,
    "Time to a result (median of 5 seeds if it trains)": ("e1", "e2", "h", "p"),
    "Prediction and reading": ("f1", "f2", "f3", "f4", "g"),
}
GPU_RECORDS = ("nvidia-h100-2026-11-26.json", "nvidia-h100-2026-11-26-second.json")
"""Runs of `scripts/gpu-check`; a job's figures are those of the first run that finished it."""

Contenders = Mapping[str, Mapping[str, Any]]

FRONT_STEPS = "bcda"
LIBRARIES = {
    "mnn_gpu": ("mnn_gpu",),
    "JAX": ("JAX jitted step", "JAX lax.scan"),
    "PyTorch": ("PyTorch eager", "PyTorch compiled", "PyTorch CUDA graphs"),
    "scikit-learn": ("scikit-learn",),
}
WAYS = ("mnn_gpu", "PyTorch eager", "PyTorch CUDA graphs", "JAX lax.scan")


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


# ---- the short tables of other pages ----------------------------------------------------


def gpu_jobs() -> dict[str, dict[str, Any]]:
    """Return the jobs that the GPU's records hold, by name."""
    jobs: dict[str, dict[str, Any]] = {}
    for name in GPU_RECORDS:
        checks = json.loads((RESULTS / name).read_text(encoding="utf-8"))["checks"]
        for check, found in checks.items():
            if "job" in found:
                jobs.setdefault(check.removeprefix("job "), found["job"])
    return jobs


def front_section(result: dict[str, Any]) -> str:
    """Return the front page's table: a row a step, the best of each library on CPU and GPU."""
    gpu, on_gpu = gpu_jobs(), [name for name in LIBRARIES if name != "scikit-learn"]
    machine = result["machine"]
    header = [*(f"CPU: {name}" for name in LIBRARIES), *(f"H100: {name}" for name in on_gpu)]
    rows = [["", *header]]
    for name in FRONT_STEPS:
        job = result["jobs"][name]
        cells = _cells([_best(job["contenders"], LIBRARIES[library]) for library in LIBRARIES])
        cells += _cells([_best(gpu[name]["contenders"], LIBRARIES[library]) for library in on_gpu])
        rows.append([job["title"], *cells])
    return (
        markdown.table(rows)
        + "\n\nTime of one step; the fastest of each row is bold. JAX and PyTorch in the fastest "
        "of their forms (jitted step, `lax.scan`; eager, compiled, CUDA graphs). CPU: "
        f"{machine['cpu']}, {machine['cores']} cores, {machine['date']}; GPU: NVIDIA H100.\n\n"
        f"On the CPU JAX is ahead in these steps: {'; '.join(behind(result))}. mnn_gpu's own JAX "
        "backend (`--backend jax`) is one of the contenders in the full benchmarks."
    )


def behind(result: dict[str, Any]) -> list[str]:
    """Return the steps in which JAX is faster on the CPU, and by how much."""
    found = []
    for name in FRONT_STEPS:
        job = result["jobs"][name]
        rows = [job["contenders"][way] for way in LIBRARIES["JAX"] if way in job["contenders"]]
        ratio = min(row["ratio"] for row in rows)
        if ratio < 1:
            found.append(f"{job['title']} ({ratio:.2f} of mnn_gpu's time)")
    return found


def gpu_section() -> str:
    """Return the table of steps on the GPU."""
    jobs = gpu_jobs()
    rows = [["", "mnn_gpu", "PyTorch", "PyTorch, CUDA graphs", "JAX, `lax.scan`"]]
    for name in (*FRONT_STEPS[:3], "d, TF32", "m", "a"):
        key, _, way = name.partition(", ")
        found = jobs[key]["contenders"]
        named = [f"{each}, {way}" if way else each for each in WAYS]
        title = f"the same with {way}" if way else jobs[key]["title"]
        rows.append([title, *_cells([_best(found, [each]) for each in named])])
    return markdown.table(rows)


def _best(contenders: Contenders, names: Sequence[str]) -> float | None:
    return min((contenders[name]["median"] for name in names if name in contenders), default=None)


def _cells(medians: Sequence[float | None]) -> list[str]:
    least = min(median for median in medians if median is not None)
    return [_cell(median, median == least) for median in medians]


def _cell(median: float | None, is_best: bool) -> str:
    if median is None:
        return "-"
    return f"**{duration(median)}**" if is_best else duration(median)
