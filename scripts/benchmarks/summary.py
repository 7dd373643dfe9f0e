"""The short tables of speed: the front page's, and the one of the GPU."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scripts import markdown
from scripts.benchmarks.harness import RESULTS
from scripts.benchmarks.report import duration

GPU_RECORDS = ("nvidia-h100-2026-11-26.json", "nvidia-h100-2026-11-26-second.json")
"""Runs of `scripts/gpu-check`; a job's figures are those of the first run that finished it."""

Contenders = Mapping[str, Mapping[str, Any]]

STEPS = "bcda"
LIBRARIES = {
    "mnn_gpu": ("mnn_gpu",),
    "JAX": ("JAX jitted step", "JAX lax.scan"),
    "PyTorch": ("PyTorch eager", "PyTorch compiled", "PyTorch CUDA graphs"),
    "scikit-learn": ("scikit-learn",),
}
WAYS = ("mnn_gpu", "PyTorch eager", "PyTorch CUDA graphs", "JAX lax.scan")


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
    for name in STEPS:
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
    for name in STEPS:
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
    for name in (*STEPS[:3], "d, TF32", "m", "a"):
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
