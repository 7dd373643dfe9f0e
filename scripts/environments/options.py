"""The options of `setup.py environment`."""

from __future__ import annotations

import argparse

from scripts.environments.environment import Environment


def environment_of(arguments: list[str]) -> Environment:
    """Return the environment that the options describe; exit with 2 if they are wrong."""
    parser = argparse.ArgumentParser(
        prog="setup.py environment",
        description="Make a virtual environment with the package installed, unless it is there.",
        epilog="Exits with 3 if no such Python is found, with 1 if the installation fails.",
    )
    parser.add_argument("folder", help="within the checkout, or an absolute path")
    parser.add_argument("requirements", nargs="*", help="further requirements, as pip takes them")
    parser.add_argument("--extras", default="", help="of the package: test,peers")
    parser.add_argument("--constraints", default="", metavar="FILE", help="of pip")
    parser.add_argument("--python", default="", metavar="VERSION", help="such as 3.12")
    given = parser.parse_args(arguments)
    environment = Environment(
        given.folder,
        [extra for extra in given.extras.split(",") if extra],
        given.requirements,
        given.constraints,
        given.python,
    )
    if environment.constraints and not environment.constraints.is_file():
        parser.error(f"there is no file {given.constraints}.")
    return environment
