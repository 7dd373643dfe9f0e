"""The argument parser: short errors that suggest a similar word, and help of one screen."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Collection, Iterable
from typing import Any, NoReturn

from mnn_gpu.utils.console import escape_control_characters, stdout_errors

HELP_ALL = "--help-all"
NEAR = 0.72
"""Similarity of two words, from 0 to 1: with less, --show would become --shard-rows."""
CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")


class Parser(argparse.ArgumentParser):
    """An `argparse.ArgumentParser` with errors of two lines."""

    def error(self, message: str) -> NoReturn:
        """Print the error, the nearest known word and a reference to the help; exit with 2."""
        text = f"error: {message}{self._hint(message)}\ncure: See {self.prog} --help.\n"
        self.exit(2, escape_control_characters(text))

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help or the version as a result: argparse would ignore a failure."""
        if file is not None and file is sys.stdout:
            with stdout_errors():
                file.write(message)
        else:
            super()._print_message(message, file)

    def _hint(self, message: str) -> str:
        if found := CHOICE.search(message):
            return suggestion(found[1], re.findall(r"[\w:.-]+", found[2]))
        if "unrecognized arguments: " in message:
            word = message.rpartition("unrecognized arguments: ")[2].split()[0].partition("=")[0]
            options = [option for action in self._actions for option in action.option_strings]
            if word.startswith("-"):
                return suggestion(word, options)
            return f"; files are given with --data, as --data {word}" if "--data" in options else ""
        return ""

    def parse_known_args(self, *arguments: Any, **named: Any) -> Any:
        """Parse arguments; unknown ones are reported by the command that they follow."""
        known, unknown = super().parse_known_args(*arguments, **named)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return a question with the nearest known word, empty if none is near."""
    near = difflib.get_close_matches(word, sorted(set(known)), 1, NEAR)
    return f"; did you mean {near[0]}?" if near else ""


def shorten_help(parser: argparse.ArgumentParser, common: Collection[str]) -> None:
    """Remove all but the common options, given as destinations; `HELP_ALL` shows all."""
    parser.usage = f"{parser.prog} [OPTION]..."
    parser.epilog = (parser.epilog or "").partition("\n\n")[0]
    hidden = 0
    for action in parser._actions:
        if action.dest not in common:
            action.help = argparse.SUPPRESS
            hidden += 1
    parser.add_argument(
        HELP_ALL, action="help", help=f"show {hidden} more options and exit", dest="help_all"
    )
