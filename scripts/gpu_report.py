"""What `gpu_check` found, as a page to read: the goals, the checks, the benchmarks."""

from __future__ import annotations

from typing import Any, NamedTuple

from scripts.benchmarks.report import duration, ratio, table

MOST_SECONDS = 0.15
"""From the first step to 98 %, once everything is compiled, on a large GPU."""


class Goal(NamedTuple):
    """How many times as fast as a contender this package is to be at a job."""

    job: str
    contender: str
    times: float


GOALS = (
    Goal("a", "notebook float64", 300),
    Goal("a", "PyTorch eager", 2),
    Goal("a", "JAX jitted step", 1),
    Goal("c", "PyTorch eager", 6),
    Goal("c", "PyTorch CUDA graphs", 1.2),
    Goal("c", "JAX lax.scan", 1),
    Goal("d", "PyTorch eager", 2),
    Goal("d", "PyTorch CUDA graphs", 1.1),
    Goal("d", "JAX lax.scan", 1),
    Goal("m", "PyTorch eager", 5),
)


def page(record: dict[str, Any]) -> str:
    """Return the record of a run as Markdown."""
    checks = record["checks"]
    gpu = record["machine"]["gpus"][0]
    parts = [f"# {gpu['name']}, {record['date']}", outcomes(checks)]
    figures = checks.get("benchmarks", {})
    jobs = {name: job for name, job in figures.items() if isinstance(job, dict) and "title" in job}
    if jobs:
        parts += [goals(jobs, figures["limits"]), table(list(jobs.values())), clocks(jobs)]
    return "\n\n".join(parts) + "\n"


def outcomes(checks: dict[str, Any]) -> str:
    """Return the table of the checks."""
    lines = ["| check | outcome | seconds |", "| --- | --- | --- |"]
    for name, found in checks.items():
        outcome = "passed" if found["passed"] else f"**failed** {found.get('outcome', '')}"
        lines.append(f"| {name} | {outcome} | {found['seconds']:.0f} |")
    return "\n".join(lines)


def goals(jobs: dict[str, Any], limits: dict[str, float]) -> str:
    """Return the table of what was to be shown."""
    lines = ["| job | against | at least | found |", "| --- | --- | --- | --- |"]
    for job, contender, times in GOALS:
        if job in jobs:
            title, found = jobs[job]["title"], times_as_fast(jobs[job]["contenders"], contender)
            shown = (
                "-" if found is None else f"{'' if found >= times else '**missed** '}{found:.2f}"
            )
            lines.append(f"| {title} | {contender} | {times:g} | {shown} |")
    if "a" in jobs and "copy_gigabytes_a_second" in limits:
        # All pixels, as float32, are read once on the way there and once on the way back.
        least = 2 * 41_000 * 784 * 4 / limits["copy_gigabytes_a_second"] / 1e9
        found = ours(jobs["a"]["contenders"]) / least
        lines.append(
            f"| {jobs['a']['title']} | memory, times its limit | at most 2 | {found:.2f} |"
        )
    if "e2" in jobs:
        found = ours(jobs["e2"]["contenders"])
        wanted = duration(MOST_SECONDS)
        lines.append(f"| {jobs['e2']['title']} | wall time | below {wanted} | {duration(found)} |")
    return "\n".join(lines)


def ours(rows: dict[str, Any]) -> float:
    """Return this package's median."""
    return float(rows["mnn_gpu"]["median"])


def times_as_fast(rows: dict[str, Any], contender: str) -> float | None:
    """Return how many times as fast as a contender, by the median of the ratios in turn."""
    return float(rows[contender]["ratio"]) if contender in rows else None


def clocks(jobs: dict[str, Any]) -> str:
    """Return the table of a step's wall time, the GPU's own, and what came before the first."""
    lines = [
        "| job | contender | a step | by the GPU's clock | first call | set-up, upload included |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for job in jobs.values():
        for name, row in job["contenders"].items():
            if "setup" in row:
                clock = row.get("by_its_clock")
                cells = [
                    duration(row["median"]),
                    "-" if clock is None else f"{duration(clock)} ({ratio(clock / row['median'])})",
                    duration(row["first_call"]),
                    duration(row["setup"]),
                ]
                lines.append(f"| {job['title']} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
