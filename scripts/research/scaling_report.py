"""The page's section on how training scales over ranks, and the model behind it."""

from __future__ import annotations

from typing import Any

from scripts import markdown
from scripts.benchmarks.report import duration

CLUSTER = {"message_seconds": 2e-6, "bytes_a_second": 12.5e9}
"""A network of 100 Gbit/s and two microseconds a message, as clusters have."""
MOST_RANKS = 1024


def step(network: dict[str, Any], net: dict[str, Any], rows: float, ranks: int) -> float:
    """Return the seconds of a step by the model: ``a m/P + u + e``.

    Parameters
    ----------
    network : mapping
        Parameters, seconds a row and an update.
    net : mapping
        Seconds a message, bytes a second.
    rows : float
        Of the whole batch.
    ranks : int
    """
    others = ranks - 1
    volume = others / ranks * network["parameters"] * (8 + 4)
    exchange = 2 * others * net["message_seconds"] + volume / net["bytes_a_second"]
    return float(network["seconds_a_row"] * rows / ranks + network["seconds_an_update"] + exchange)


def pays_until(network: dict[str, Any], net: dict[str, Any], rows: float) -> int:
    """Return the most ranks of which the last doubling still gained a third."""
    ranks = 1
    while ranks < MOST_RANKS:
        if step(network, net, rows, 2 * ranks) > step(network, net, rows, ranks) * 3 / 4:
            break
        ranks *= 2
    return ranks


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    jobs, model = result["jobs"], result["model"]
    ways = list(next(iter(jobs.values()))["speed_up"])
    rows = [["", "one process, no shards", *(f"speed-up, {way}" for way in ways)]]
    for name, job in jobs.items():
        speed_ups = [f"**{job['speed_up'][way]:.2f}**" for way in ways]
        rows.append([name, duration(job["seconds"]["1 process, no shards"]), *speed_ups])
    batches = (512, 4096, 32768)
    reach = [["", *(f"{m:,}" for m in batches)]]
    for name, network in model["networks"].items():
        reach.append([name, *(f"{pays_until(network, CLUSTER, m):,}" for m in batches)])
    return (
        f"{markdown.table(rows)}\n\n"
        f"Two ranks compared with one, one thread each, the same command; medians of "
        f"{result['rounds']} interleaved rounds. {result['cpu']}, {result['cores']} cores, "
        f"{result['mpi']}, {result['date']}. An exchange between the two takes "
        f"{duration(2 * model['message_seconds'])} plus a second for every "
        f"{model['bytes_a_second'] / 1e9:.1f} GB. "
        "[scaling.json](../../scripts/results/scaling.json); `python -m scripts.research.scaling` "
        "repeats the measurement.\n\n"
        "The model with these constants and an assumed network (100 Gbit/s, 2 us per message), one "
        "core per rank: the number of ranks up to which doubling them gains at least a third, for "
        f"batches of 512, 4,096 and 32,768 rows:\n\n{markdown.table(reach)}"
    )
