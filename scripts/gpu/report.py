"""What `gpu-check` found, as a page to read: the goals, the checks, the benchmarks."""

from __future__ import annotations

from typing import Any, NamedTuple

from scripts import markdown
from scripts.benchmarks.report import duration, ratio, table

MOST_SECONDS = 0.10
"""From the first step to 98 %, once everything is compiled, on a large GPU."""
MOST_SECONDS_C = 20e-6
RECORD_RATIO = 100
LIMIT_TIMES = 2
DRY = "Every check ran at a tiny size; nothing here was measured on a GPU."


class Goal(NamedTuple):
    """How many times as fast as a contender this package is to be at a job."""

    job: str
    contender: str
    times: float
    ours: str = "mnn_gpu"


GOALS = (
    Goal("a", "notebook float64", 300),
    Goal("a", "PyTorch eager", 8),
    Goal("a", "JAX lax.scan", 2),
    *(
        Goal(job, contender, times)
        for job in "bc"
        for contender, times in (
            ("PyTorch eager", 40),
            ("PyTorch CUDA graphs", 3),
            ("JAX lax.scan", 2),
        )
    ),
    Goal("d", "PyTorch eager", 8),
    Goal("d", "PyTorch CUDA graphs", 2),
    Goal("d", "JAX lax.scan", 1.2),
    Goal("d", "JAX lax.scan, TF32", 1.5, "mnn_gpu, TF32"),
    Goal("m", "PyTorch eager", 10),
)


def page(record: dict[str, Any]) -> str:
    """Return the record of a run as Markdown."""
    checks = record["checks"]
    if record.get("dry_run"):
        return f"# Dry run, {record['card']}, {record['date']}\n\n{DRY}\n\n{outcomes(checks)}\n"
    jobs = {found["job"]["title"]: found["job"] for found in checks.values() if "job" in found}
    parts = [f"# {record['card']}, {record['date']}", described(record), outcomes(checks)]
    if jobs:
        parts += [goals(checks), table(list(jobs.values())), clocks(jobs), left_out(jobs)]
    return "\n\n".join(part for part in parts if part) + "\n"


def described(record: dict[str, Any]) -> str:
    """Return what the figures depend on."""
    versions = ", ".join(f"{name} {v}" for name, v in record["versions"].items())
    limits = record["checks"].get("machine", {}).get("limits", {})
    measured = ", ".join(f"{name.replace('_', ' ')} {v:,.1f}" for name, v in limits.items())
    return f"Driver {record['driver']}, {versions}. {f'Limits: {measured}.' if limits else ''}"


def outcomes(checks: dict[str, Any]) -> str:
    """Return the table of the checks."""
    rows = [["check", "outcome", "seconds"]]
    for name, found in checks.items():
        outcome = found["outcome"] if found["outcome"] == "passed" else f"**{found['outcome']}**"
        reason = found.get("reason", "").replace("|", "/").replace("\n", " ")
        rows.append([name, f"{outcome} {reason}", f"{found['seconds']:.0f}"])
    return markdown.table(rows)


def goals(checks: dict[str, Any]) -> str:
    """Return the table of goals and figures."""
    table = [["job", "against", "at least", "found"]]

    def add(title: str, against: str, goal: str, found: str, reached: bool) -> None:
        table.append([title, against, goal, found if reached else f"**missed** {found}"])

    jobs = {
        name[-1]: c["job"] for name, c in checks.items() if name.startswith("job ") and "job" in c
    }
    for goal in GOALS:
        rows = jobs.get(goal.job, {}).get("contenders", {})
        if goal.contender in rows and goal.ours in rows:
            found = rows[goal.contender]["ratio"] / rows[goal.ours]["ratio"]
            title = jobs[goal.job]["title"] + goal.ours.removeprefix("mnn_gpu")
            add(title, goal.contender, f"{goal.times:g}", ratio(found), found >= goal.times)
    bandwidth = checks.get("machine", {}).get("limits", {}).get("copy_gigabytes_a_second")
    if "a" in jobs and bandwidth:
        # All pixels, as float32, are read once on the way there and once on the way back.
        found = median(jobs["a"]) / (2 * 41_000 * 784 * 4 / bandwidth / 1e9)
        add(jobs["a"]["title"], "its bandwidth limit", f"at most {LIMIT_TIMES}", ratio(found),
            found <= LIMIT_TIMES)  # fmt: skip
    if "c" in jobs:
        found = median(jobs["c"])
        add(jobs["c"]["title"], "wall time", f"below {duration(MOST_SECONDS_C)}", duration(found),
            found < MOST_SECONDS_C)  # fmt: skip
    if race := checks.get("98 % test", {}).get("job"):
        found = median(race)
        add(race["title"], "wall time", f"below {duration(MOST_SECONDS)}", duration(found),
            found < MOST_SECONDS)  # fmt: skip
    if "ratio" in (epochs := checks.get("record recipe", {})):
        found = epochs["ratio"]
        add("record recipe, an epoch", "two CPU cores", f"{RECORD_RATIO}", ratio(found),
            found >= RECORD_RATIO)  # fmt: skip
    return markdown.table(table)


def median(job: dict[str, Any]) -> float:
    """Return this package's median seconds."""
    return float(job["contenders"]["mnn_gpu"]["median"])


def clocks(jobs: dict[str, Any]) -> str:
    """Return the table of a step's wall time, the GPU's own, and what came before the first."""
    times = ["a step", "by the GPU's clock", "first call", "set-up, upload included"]
    rows = [["job", "contender", *times]]
    for job in jobs.values():
        for name, row in job["contenders"].items():
            if "setup" in row:
                clock = row.get("by_its_clock")
                wall, first, setup = (duration(row[n]) for n in ("median", "first_call", "setup"))
                part = ratio(clock / row["median"]) if clock else ""
                own = f"{duration(clock)} ({part})" if clock else "-"
                rows.append([job["title"], name, wall, own, first, setup])
    return markdown.table(rows)


def left_out(jobs: dict[str, Any]) -> str:
    """Return who could not take part in a job, and why."""
    return "\n".join(
        f"- {job['title']}: {name} was left out: {reason}"
        for job in jobs.values()
        for name, reason in job["left_out"].items()
    )
