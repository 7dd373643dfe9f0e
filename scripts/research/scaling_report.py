"""What is shown of how training scales with the ranks: a section of their page and a plot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scripts.benchmarks.report import duration

CLUSTER = {"message_seconds": 2e-6, "bytes_a_second": 12.5e9}
"""A network of 100 Gbit/s and two microseconds a message, as clusters have."""

RANKS = [2**k for k in range(11)]
COLOURS = ("#0072b2", "#d55e00", "#009e73")


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
    exchange = 0.0
    if ranks > 1:
        others = ranks - 1
        volume = others / ranks * network["parameters"] * (8 + 4)
        exchange = 2 * others * net["message_seconds"] + volume / net["bytes_a_second"]
    return float(network["seconds_a_row"] * rows / ranks + network["seconds_an_update"] + exchange)


def speed_up(network: dict[str, Any], net: dict[str, Any], rows: float, ranks: int) -> float:
    """Return how many times as fast so many ranks are with a batch of one size."""
    return step(network, net, rows, 1) / step(network, net, rows, ranks)


def pays_until(network: dict[str, Any], net: dict[str, Any], rows: float) -> int:
    """Return the most ranks of which the last doubling still gained a third."""
    best = 1
    for ranks in RANKS[1:]:
        now, before = (speed_up(network, net, rows, r) for r in (ranks, ranks // 2))
        if now < before * 4 / 3:
            break
        best = ranks
    return best


def section(result: dict[str, Any]) -> str:
    """Return the page's section."""
    jobs, model = result["jobs"], result["model"]
    ways = list(next(iter(jobs.values()))["speed_up"])
    lines = [
        "| | one process, no shards | " + " | ".join(f"speed-up, {way}" for way in ways) + " |",
        "| --- |" + " --- |" * (1 + len(ways)),
    ]
    for name, job in jobs.items():
        cells = [duration(job["seconds"]["1 process, no shards"])]
        cells += [f"**{job['speed_up'][way]:.2f}**" for way in ways]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    reach = ["| | 512 | 4,096 | 32,768 |", "| --- |" + " --- |" * 3]
    for name, network in model["networks"].items():
        ranks = [f"{pays_until(network, CLUSTER, rows):,}" for rows in (512, 4096, 32768)]
        reach.append(f"| {name} | " + " | ".join(ranks) + " |")
    rate = model["bytes_a_second"] / 1e9
    return (
        "\n".join(lines) + "\n\n"
        f"Two ranks compared with one, one thread each, the same command; medians of "
        f"{result['rounds']} interleaved rounds. {result['cpu']}, {result['cores']} cores, "
        f"{result['mpi']}, {result['date']}. An exchange between the two takes "
        f"{duration(2 * model['message_seconds'])} plus a second for every {rate:.1f} GB. "
        "[scaling.json](../../scripts/results/scaling.json); `python -m scripts.research.scaling` "
        "repeats the measurement.\n\n"
        "The model with these constants and an assumed network (100 Gbit/s, 2 us per message), one "
        "core per rank: the number of ranks up to which doubling them gains at least a third, for "
        "batches of 512, 4,096 and 32,768 rows:\n\n" + "\n".join(reach) + "\n\n"
        "![Speed-up and efficiency over the ranks](../../scripts/results/scaling.png)"
    )


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw the speed-up of batches of one size and the efficiency of batches that grow along."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    network = result["model"]["networks"]["784-1000-500-10"]
    figure, (strong, weak) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    strong.loglog(RANKS, RANKS, ":", color="#999999", label="as many times as ranks", base=2)
    for rows, colour in zip((512, 4096, 32768), COLOURS, strict=True):
        ranks = [r for r in RANKS if r <= rows]
        strong.loglog(
            ranks,
            [speed_up(network, CLUSTER, rows, r) for r in ranks],
            color=colour,
            label=f"batch of {rows:,}",
            base=2,
        )
        weak.semilogx(
            RANKS,
            [
                step(network, CLUSTER, rows, 1) / step(network, CLUSTER, rows * r, r) * 100
                for r in RANKS
            ],
            color=colour,
            label=f"{rows:,} rows a rank",
            base=2,
        )
    two = result["jobs"]["784-1000-500-10, batch 512"]["speed_up"]["2 shards"]
    strong.plot([2], [two], "o", color=COLOURS[0], label="measured, batch of 512")
    strong.set_title("One batch, more ranks: speed-up", fontsize=10, loc="left")
    weak.set_title("A batch that grows with the ranks: efficiency", fontsize=10, loc="left")
    strong.set_ylabel("times as fast as one rank", fontsize=9)
    strong.set_yticks(RANKS[:9], [str(r) for r in RANKS[:9]], fontsize=8)
    strong.set_ylim(0.8, 300)
    weak.set_ylabel("% of one rank's speed, each", fontsize=9)
    weak.set_ylim(0, 104)
    for axis in (strong, weak):
        axis.set_xlabel("ranks, one core each", fontsize=9)
        axis.set_xticks(RANKS, [f"{r:,}" for r in RANKS], fontsize=8)
        axis.minorticks_off()
        axis.legend(frameon=False, fontsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle(
        "784-1000-500-10: lines by the model, on an assumed network of 100 Gbit/s", fontsize=10
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
