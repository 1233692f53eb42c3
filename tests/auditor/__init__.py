"""The judge of every run with faults: what was accepted, what clients hold, and what is stored must agree.

    python -m tests.auditor --redis redis://127.0.0.1:6379/0 --accept-log DIR --journals DIR --rooms demo-a demo-b

Rules: (a) every accepted update, and every one of a still connected writer's journal, is in the final document;
(b) all clients and a fresh one agree in content, state vector and deletions; (c) Redis and the store together contain
it all; (d) no stream without a due entry or a lease; (e) no byte of one room in another.
"""

from tests.auditor.checks import Finding, audit
from tests.auditor.evidence import Evidence, Sources, gather

__all__ = ["Evidence", "Finding", "Sources", "audit", "gather"]
