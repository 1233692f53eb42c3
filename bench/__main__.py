"""The command line: `python -m bench [name ...] [--rounds N] [--seconds S]`; without names, everything."""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import django

from bench import access, burst, deliver, edit, hub, join, persist
from bench.results import Result, print_result, save

SCENARIOS: dict[str, Callable[[Path, int, float], Result]] = {
    "hub": hub.run,
    "deliver": deliver.run,
    "join": join.run,
    "burst": burst.run,
    "persist": persist.run,
    "access": access.run,
    "edit": edit.run,
}


def main(arguments: Sequence[str]) -> int:
    """Run scenarios; return 1 if one of them missed its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure; see bench/__init__.py.")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(SCENARIOS))
    parser.add_argument("--rounds", type=int, default=3, help="how often each side of a comparison is measured")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a round takes, where that can be chosen")
    asked = parser.parse_args(arguments)
    if unknown := set(asked.names) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    results = []
    for name in asked.names or SCENARIOS:
        with tempfile.TemporaryDirectory(prefix="yredis-bench-") as folder:
            results.append(SCENARIOS[name](Path(folder), asked.rounds, asked.seconds))
        print_result(results[-1])
    cores = len(os.sched_getaffinity(0))
    print(f"\nload of this machine: {os.getloadavg()[0]:.1f} on {cores} cores; all numbers: {save(results)}")
    return int(any("MISSED" in finding for result in results for finding in result.findings))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "yredis_project.settings")
    os.environ.setdefault("LOG_LEVEL", "WARNING")
    django.setup()
    raise SystemExit(main(sys.argv[1:]))
