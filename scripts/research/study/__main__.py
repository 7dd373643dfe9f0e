"""Runs the study of accuracy, resumably, and writes its results.

    python -m scripts.research.study run ablations        runs that have no result yet
    python -m scripts.research.study run record recipes
    python -m scripts.research.study report               documentation, plots, record model

Results of single runs lie in .study/, which git ignores; the report collects them.
"""

from __future__ import annotations

import argparse

from scripts import documentation
from scripts.research.study.report import write_report
from scripts.research.study.runs import FOLDER, GROUPS, execute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser("run", help="do the runs that have no result yet")
    running.add_argument("groups", nargs="+", choices=GROUPS)
    running.add_argument("--only", nargs="+", metavar="NAME", help="only runs of these names")
    commands.add_parser("report", help="write results, documentation, plots and the record model")
    args = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if args.command == "run":
        for run in (run for group in args.groups for run in GROUPS[group]):
            if not run.result.exists() and run.name in (args.only or [run.name]):
                result = execute(run)
                errors = {key: result[key]["errors"] for key in {"held_out", "test"} & {*result}}
                print(run.group, run.name, f"seed {run.config.seed}", errors, flush=True)
    else:
        write_report()
        documentation.main()


if __name__ == "__main__":
    main()
