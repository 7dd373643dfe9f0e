"""The study of accuracy: runs it, resumably, and writes what it found.

    python -m scripts.research.study run ablations --workers 2    trainings that have no result yet
    python -m scripts.research.study run record recipes
    python -m scripts.research.study cost                         what deforming images costs
    python -m scripts.research.study fashion FOLDER               Fashion-MNIST, beside scikit-learn
    python -m scripts.research.study report                       documentation, plots, record model

Results of single runs lie in .study/, which is not kept; the report gathers them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from mnn_gpu.utils.threads import available_cores
from scripts.research.experiments import cost, fashion
from scripts.research.experiments.runs import FOLDER, GROUPS, ROOT, Run, execute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="train what has no result yet")
    running.add_argument("groups", nargs="+", choices=GROUPS)
    running.add_argument("--only", nargs="+", metavar="NAME", help="only runs of these names")
    running.add_argument(
        "--workers", type=int, default=1, help="trainings side by side, which share the cores"
    )
    one = commands.add_parser("one", help="train one run, by its key")
    one.add_argument("key")
    commands.add_parser("cost", help="time what deforming images costs; wants a quiet machine")
    beside = commands.add_parser("fashion", help="Fashion-MNIST, beside scikit-learn")
    beside.add_argument("path", help="its folder of IDX files, or .npz")
    beside.add_argument(
        "--source",
        default="the published training and test images",
        help="what to say of these images (default: %(default)s)",
    )
    commands.add_parser("report", help="write results, documentation, plots and the record model")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if args.command == "one":
        execute(next(run for runs in GROUPS.values() for run in runs if run.key == args.key))
    elif args.command == "run":
        wanted = [run for group in args.groups for run in GROUPS[group]]
        if args.only:
            wanted = [run for run in wanted if run.name in args.only]
        run_all([run for run in wanted if not run.result.exists()], args.workers)
    elif args.command == "cost":
        print(json.dumps(cost.measure(), indent=1))
    elif args.command == "fashion":
        print(json.dumps(fashion.measure(args.path, args.source), indent=1))
    else:
        from scripts import documentation
        from scripts.research.experiments.report import write_report

        write_report()
        documentation.main()


def run_all(runs: list[Run], workers: int) -> None:
    """Train each in a process of its own, with its share of the cores and threads."""
    workers = min(workers, available_cores())
    share = available_cores() // workers
    free: SimpleQueue[int] = SimpleQueue()
    for worker in range(workers):
        free.put(worker)

    def train_one(run: Run) -> None:
        worker = free.get()
        cores = sorted(os.sched_getaffinity(0))[worker * share : (worker + 1) * share]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPENBLAS_")}
        try:
            subprocess.run(
                [
                    *("taskset", "--cpu-list", ",".join(map(str, cores))),
                    *(sys.executable, "-m", "scripts.research.study", "one", run.key),
                ],
                cwd=ROOT,
                env=environment | {"OPENBLAS_NUM_THREADS": str(share)},
                check=True,
            )
        finally:
            free.put(worker)
        result = json.loads(run.result.read_text(encoding="utf-8"))
        test = f"  test {result['test']['errors']:4d} wrong" if "test" in result else ""
        print(
            f"{run.group:10} {run.name:26} seed {run.config.seed}  held out "
            f"{result['held_out']['accuracy']:.2%}{test}  {result['seconds']:7.1f} s",
            flush=True,
        )

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(train_one, runs))


if __name__ == "__main__":
    main()
