"""What a scenario found: a small table on the screen, the same numbers as JSON under .data/bench/."""

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

FOLDER = Path(__file__).resolve().parent.parent / ".data" / "bench"

Value = str | int | float | bool
Row = dict[str, Value]


@dataclass
class Result:
    """One scenario's rows; `findings` are sentences about them, `details` every single run."""

    name: str
    question: str
    rows: list[Row]
    findings: list[str] = field(default_factory=list)
    details: list[Row] = field(default_factory=list)


def medians(details: list[Row], columns: tuple[str, ...]) -> list[Row]:
    """Return one row for each server, with the median of its runs in each column."""
    runs: dict[Value, list[Row]] = {}
    for row in details:
        runs.setdefault(row["server"], []).append(row)
    return [
        {"server": server, **{column: median(float(row[column]) for row in rows) for column in columns}}
        for server, rows in runs.items()
    ]


def shown(value: Value) -> str:
    """Return a number with three digits that count, everything else as it is."""
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return str(value)


def table(rows: list[Row]) -> str:
    """Return the rows as a table; the first row's keys are its head."""
    cells = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells]
    return "\n".join((lines[0], "  ".join("-" * width for width in widths), *lines[1:]))


def print_result(result: Result) -> None:
    """Print a scenario's question, table and findings."""
    print(f"\n{result.name}: {result.question}\n\n{table(result.rows)}\n")
    for finding in result.findings:
        print(f"  {finding}")


def save(results: list[Result]) -> Path:
    """Write what was found, and where, to a file of this run's own; return its path."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    machine = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg(),
    }
    path.write_text(json.dumps({"machine": machine, "results": [asdict(result) for result in results]}, indent=1))
    return path
