"""The rules (a) to (e): each takes evidence and yields findings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, pairwise

from rooms.errors import YRedisError
from tests.auditor.coverage import Coverage
from tests.auditor.evidence import Evidence, Final


@dataclass(frozen=True)
class Finding:
    """One broken promise."""

    rule: str
    room: str
    text: str

    def __str__(self) -> str:
        return f"({self.rule}) {self.room}: {self.text}"


def audit(found: Mapping[str, Evidence], *, running: bool = False) -> list[Finding]:
    """Judge a run; while it is still `running`, clients need not agree yet and journals need not have arrived."""
    findings: list[Finding] = []
    held: dict[str, Coverage] = {}
    for room, evidence in found.items():
        findings += (Finding("c", room, f"entry {entry}") for entry in evidence.unreadable)
        held[room], unreadable = read(evidence.entries + evidence.stored)
        findings += (Finding("c", room, f"a stored update can't be read: {error}") for error in unreadable)
        findings += contained(evidence, held[room], running=running)
        findings += tasked(evidence)
        if not running:
            findings += final_documents(evidence, held[room])
            findings += agreement(evidence)
    findings += separation(found, held)
    return findings


def read(updates: list[bytes]) -> tuple[Coverage, list[str]]:
    """Return what updates hold together, and the errors of those that can't be read."""
    coverage, errors = Coverage(), []
    for update in updates:
        try:
            coverage.add(update)
        except YRedisError as error:
            errors.append(str(error))
    coverage.normalise()
    return coverage, errors


def promised(evidence: Evidence, *, running: bool) -> Iterator[tuple[str, bytes]]:
    """Yield who made it and the update, for each that must have survived."""
    for update in evidence.accepted:
        yield "an accepted update", update
    connected = {final.client for final in evidence.finals if final.connected}
    for client in sorted(connected & evidence.journals.keys()) if not running else ():
        for number, update in enumerate(evidence.journals[client]):
            yield f"update {number} of {client}'s journal", update


def contained(evidence: Evidence, held: Coverage, *, running: bool) -> Iterator[Finding]:
    """(c) Redis and the store together contain it all."""
    for whose, update in promised(evidence, running=running):
        if missing := held.lacks(Coverage.of([update])):
            yield Finding("c", evidence.room, f"Redis and the store lack {missing} from {whose}")


def final_documents(evidence: Evidence, held: Coverage) -> Iterator[Finding]:
    """(a) Every accepted update, and every one of a connected writer's journal, is in the final document.

    The final document is what a fresh client was given; without one, what the connected clients have; it must also
    hold everything that is stored.
    """
    finals = [final for final in evidence.finals if final.fresh] or [
        final for final in evidence.finals if final.connected
    ]
    for final in finals:
        if missing := final.coverage.lacks(held):
            yield Finding("a", evidence.room, f"{final.client}'s document lacks {missing}, which is stored")
        for whose, update in promised(evidence, running=False):
            if missing := final.coverage.lacks(Coverage.of([update])):
                yield Finding("a", evidence.room, f"{final.client}'s document lacks {missing} from {whose}")


def agreement(evidence: Evidence) -> Iterator[Finding]:
    """(b) All clients that are connected, and the fresh one, agree."""
    present = [final for final in evidence.finals if final.connected or final.fresh]
    for final in present:
        if final.pending:
            yield Finding("b", evidence.room, f"{final.client} still waits for updates that others build upon")
    for one, other in pairwise(present):
        if difference := differing(one, other):
            yield Finding("b", evidence.room, f"{one.client} and {other.client} differ in {difference}")


def differing(one: Final, other: Final) -> str:
    """Say in what two final states differ: "" if in nothing."""
    parts = {
        "state vector": one.coverage.structs != other.coverage.structs,
        "deletions": one.coverage.deletes != other.coverage.deletes,
        "content": one.content != other.content or one.digest != other.digest,
    }
    return ", ".join(part for part, differs in parts.items() if differs)


def tasked(evidence: Evidence) -> Iterator[Finding]:
    """(d) No stream without a due entry or a lease."""
    if (evidence.entries or evidence.unreadable) and not (evidence.due or evidence.leased):
        yield Finding("d", evidence.room, "its stream has entries, but it is neither due nor leased")


def separation(found: Mapping[str, Evidence], held: Mapping[str, Coverage]) -> Iterator[Finding]:
    """(e) No byte of one room in another: client ids are random, so one that is in two rooms was carried over."""
    clients = {room: ids(evidence, held[room]) for room, evidence in found.items()}
    for one, other in combinations(sorted(found), 2):
        for client in sorted(clients[one] & clients[other]):
            home = next((room for room in (one, other) if client in found[room].writers), one)
            strange = other if home == one else one
            yield Finding("e", strange, f"holds what client {client} made in {home}")


def ids(evidence: Evidence, held: Coverage) -> set[int]:
    """Return the client ids of a room: its writers', and those of what was accepted, is stored, or was shown."""
    accepted, _ = read(evidence.accepted)
    shown = (client for final in evidence.finals for client in final.coverage.structs)
    return {*held.structs, *accepted.structs, *evidence.writers, *shown}
