"""Print the number of tests that ran, and the tests skipped in every run, with the reasons.

    python -m tests.support.skipped_tests RUN.xml ...

The files are written by ``pytest --junitxml``.
"""

from __future__ import annotations

import sys
from collections import Counter
from xml.etree import ElementTree


def main(paths: list[str]) -> None:
    """Read the files and print the table."""
    ran: set[str] = set()
    skipped: dict[str, str] = {}
    for path in paths:
        for case in ElementTree.parse(path).iter("testcase"):
            name = f"{case.get('classname')}::{case.get('name')}"
            reason = case.find("skipped")
            if reason is None:
                ran.add(name)
            else:
                skipped[name] = str(reason.get("message")).splitlines()[0]
    nowhere = {name: reason for name, reason in skipped.items() if name not in ran}
    print(f"{len(ran):,} tests ran, {len(nowhere):,} were skipped in every run:")
    tests = Counter((reason, name.split("[")[0]) for name, reason in nowhere.items())
    for (why, test), count in sorted(tests.items()):
        print(f"{count:5d}  {test}\n       {why}")


if __name__ == "__main__":
    main(sys.argv[1:])
