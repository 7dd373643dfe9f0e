"""`train --dry-run`: what a run would need on each device, from a measurement of a few steps."""

from __future__ import annotations

import argparse
import io
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mnn_gpu.cli.options import print_json
from mnn_gpu.utils.console import say, show

if TYPE_CHECKING:
    from mnn_gpu.backends import Backend
    from mnn_gpu.training.forecast import Forecast
    from mnn_gpu.training.job import Job

SECONDS = 1.0
"""How long to time steps on each device."""


def dry_run(args: argparse.Namespace, job: Job, named: Backend | None, reading: float) -> int:
    """Print what a run would need; return the exit code.

    Parameters
    ----------
    args : Namespace
    job : Job
    named : Backend or None
        The only device to measure; None: all that are present.
    reading : float
        Seconds that reading the data has taken.
    """
    from mnn_gpu.backends.automatic import gpu_setup
    from mnn_gpu.training.forecast import facts
    from mnn_gpu.training.train import with_shards

    setup = gpu_setup()
    done = _done(args, job)
    found: dict[str, Forecast] = {}
    names: dict[str, str] = {}
    needs: dict[str, Any] = {}
    for backend, spent in _backends(named):
        here = replace(job, config=with_shards(job.config, job.ranks, backend))
        run, found[backend.device] = here.forecast(backend, SECONDS, reading + spent, done)
        names[backend.device] = backend.name
        needs = facts(run.plan, done)
    report = {
        **needs,
        "devices": {d: _figures(names[d], f, job) for d, f in found.items()},
        "auto": _automatic(args, found, setup) if named is None else None,
        "at_most": job.config.target_accuracy is not None or job.config.patience is not None,
    }
    print_json(report) if args.json else show(_text(report, job))
    return 0


def _backends(named: Backend | None) -> Iterator[tuple[Backend, float]]:
    """Yield each device and the seconds that connecting to it has taken."""
    from mnn_gpu import DeviceError, select_backend
    from mnn_gpu.backends.gpu_probe import visible_gpus

    if named is not None:
        yield named, 0.0
        return
    yield select_backend("cpu"), 0.0
    began = time.perf_counter()
    for index in range(visible_gpus()):
        try:
            yield select_backend(f"cuda:{index}"), time.perf_counter() - began
        except DeviceError as error:
            say(f"note: cuda:{index} does not work. {error.cause} {error.cure}")
        began = time.perf_counter()


def _done(args: argparse.Namespace, job: Job) -> int:
    """Return the number of updates that a resumed run has made, which its checkpoint names.

    Raises
    ------
    UsageError
        If the checkpoint is of a run with other settings.
    """
    from mnn_gpu.storage.checkpoints import check_settings, newest_values
    from mnn_gpu.training.checkpoint import settings_of

    found = newest_values(Path(args.checkpoint)) if args.resume else None
    if found is None:
        return 0
    path, values = found
    check_settings(path, values["settings"], settings_of(job.config))
    return int(values["number"])


def _automatic(args: argparse.Namespace, found: dict[str, Forecast], setup: float) -> str:
    """Return the device that `auto` takes, by these measurements."""
    from mnn_gpu import FallbackWarning
    from mnn_gpu.backends import first_done
    from mnn_gpu.training.job import recorded_device

    recorded = recorded_device(args.checkpoint) if args.resume else None
    if recorded is not None:
        return recorded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FallbackWarning)
        return first_done(lambda backend: found[backend.device].left, setup).device


def _figures(name: str, forecast: Forecast, job: Job) -> dict[str, Any]:
    times = {"training": forecast.training, "total": forecast.total}
    on_host = forecast.bytes
    if name != "numpy":  # The samples stay on the host too, unless they are on the disk.
        on_host = getattr(getattr(job.X, "X", None), "nbytes", 0)
    return {
        "backend": name,
        **asdict(forecast),
        **times,
        "host_bytes": on_host,
        "device_bytes": 0 if name == "numpy" else forecast.bytes,
    }


# ---- text ------------------------------------------------------------------------------


def _text(report: dict[str, Any], job: Job) -> str:
    import numpy as np

    sizes = "-".join(map(str, report["layer_sizes"]))
    held_out = 0 if job.validation is None else np.shape(job.validation[0])[0]
    left = report["steps"] - report["steps_done"]
    epochs = report["steps"] / report["steps_per_epoch"]
    rest = f" ({report['steps_done']:,} are done)" if report["steps_done"] else ""
    lines = [
        f"network  {sizes}, {report['parameters']:,} parameters",
        f"data     {report['rows']:,} rows to train on, {held_out:,} held out",
        f"steps    {left:,}{rest} of {report['batch_size']:,} rows; {epochs:,.4g} epochs in all",
        f"FLOP     {_si(report['flop_per_step'], 'FLOP')} a step, {_si(report['flop'], 'FLOP')} "
        "in all, in matrix products",
        "",
        _table(report),
        "",
    ]
    if report["at_most"]:
        lines.append("At most: the run ends earlier if its accuracy allows.")
    if report["auto"]:
        lines.append(f"--device auto takes {report['auto']}.")
    lines.append("Measured with the first steps of the run. Nothing was written.")
    return "\n".join(lines)


def _table(report: dict[str, Any]) -> str:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("device", "set-up", "a step", "training", "scoring", "in all", "memory", "on GPU"):
        table.add_column(name, justify="left" if name == "device" else "right", no_wrap=True)
    for device, figures in report["devices"].items():
        times = (figures[k] for k in ("setup", "step", "training", "result", "total"))
        place = device if device == figures["backend"] else f"{device} ({figures['backend']})"
        memory = (figures["host_bytes"], figures["device_bytes"])
        table.add_row(place, *map(duration, times), *(_si(m, "B") if m else "-" for m in memory))
    page = io.StringIO()
    Console(file=page, width=80, color_system=None, markup=False).print(table)
    return "\n".join(line.rstrip() for line in page.getvalue().splitlines())


def duration(seconds: float) -> str:
    """Return a time with its unit, with two or three digits."""
    for least, unit, name in ((5400.0, 3600.0, "h"), (90.0, 60.0, "min"), (0.1, 1.0, "s")):
        if seconds >= least:
            return f"{seconds / unit:.{1 if seconds / unit < 100 else 0}f} {name}"
    return f"{seconds * 1e3:.2f} ms"


def _si(number: float, unit: str) -> str:
    """Return a number with an SI prefix and a unit."""
    prefixes = ["", "k", "M", "G", "T", "P", "E"]
    while number >= 1000 and len(prefixes) > 1:
        number /= 1000
        prefixes.pop(0)
    return f"{number:.3g} {prefixes[0]}{unit}"
