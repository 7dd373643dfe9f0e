"""The section of the page on ranks: how training scales."""

from __future__ import annotations

from typing import Any

from scripts import markdown
from scripts.benchmarks.report import duration


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    jobs = result["jobs"]
    ways = list(next(iter(jobs.values()))["speed_up"])
    rows = [["", "one process, no shards", *(f"speed-up, {way}" for way in ways)]]
    for name, job in jobs.items():
        speed_ups = [f"**{job['speed_up'][way]:.2f}**" for way in ways]
        rows.append([name, duration(job["seconds"]["1 process, no shards"]), *speed_ups])
    return (
        f"{markdown.table(rows)}\n\n"
        f"Two ranks compared with one, one thread each, the same command; medians of "
        f"{result['rounds']} interleaved rounds. {result['cpu']}, {result['cores']} cores, "
        f"{result['mpi']}, {result['date']}. "
        "[scaling.json](../../scripts/results/scaling.json); `python -m scripts.research.scaling` "
        "repeats the measurement."
    )
