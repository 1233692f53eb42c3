"""What a run wants to be seen at its end, also when all is well: seeds, counts, seconds."""

notes: list[str] = []


def note(line: str) -> None:
    """Print a line, and again in the summary of the run."""
    print(line)
    notes.append(line)
