"""Counters of everything that can happen. Plain numbers of this process; they only grow."""

from collections import Counter
from enum import StrEnum


class Count(StrEnum):
    """What is counted."""

    SEATS_OPENED = "seats_opened"
    SEATS_CLOSED = "seats_closed"
    FRAMES_RECEIVED = "frames_received"
    FRAMES_SENT = "frames_sent"
    BYTES_RECEIVED = "bytes_received"
    BYTES_SENT = "bytes_sent"
    UPDATES_ACCEPTED = "updates_accepted"
    UPDATES_WITHOUT_NEWS = "updates_without_news"
    UPDATES_VERBATIM = "updates_verbatim"
    UPDATES_FAILED = "updates_failed"
    APPEND_BATCHES = "append_batches"
    BELLS_DIRECT = "bells_direct"
    BELLS_OUT_OF_STEP = "bells_out_of_step"
    BELLS_UNREADABLE = "bells_unreadable"
    STREAM_READS = "stream_reads"
    STORE_RELOADS = "store_reloads"
    REWINDS = "rewinds"
    RESUBSCRIPTIONS = "resubscriptions"
    LOADS = "loads"
    LOADS_FAILED = "loads_failed"
    FAN_OUT_MERGES = "fan_out_merges"
    MERGES_FAILED = "merges_failed"
    OUTBOX_COLLAPSES = "outbox_collapses"
    AWARENESS_PUBLISHED = "awareness_published"
    AWARENESS_FOREIGN = "awareness_foreign"
    AWARENESS_TOO_BIG = "awareness_too_big"
    AWARENESS_COALESCED = "awareness_coalesced"
    AWARENESS_FAILED = "awareness_failed"
    SERVERS_LOST = "servers_lost"
    KEEP_ALIVES = "keep_alives"
    ORIGINS_REFUSED = "origins_refused"
    RECHECKS = "rechecks"
    KICKED = "kicked"
    COMPUTE_CRASHES = "compute_crashes"
    ROOMS_PERSISTED = "rooms_persisted"
    ENTRIES_PERSISTED = "entries_persisted"
    BYTES_PERSISTED = "bytes_persisted"
    PERSISTS_FAILED = "persists_failed"
    LEASES_LOST = "leases_lost"
    FENCES_REJECTED = "fences_rejected"
    COMPACTIONS = "compactions"
    COMPACTIONS_FAILED = "compactions_failed"
    EVENTS_DROPPED = "events_dropped"
    EVENTS_FAILED = "events_failed"
    HOOKS_FAILED = "hooks_failed"
    HOOKS_SKIPPED = "hooks_skipped"
    WEBHOOKS_DELIVERED = "webhooks_delivered"
    WEBHOOKS_FAILED = "webhooks_failed"
    LIMIT_HANDSHAKE = "limit_handshake"
    LIMIT_FRAME = "limit_frame"
    LIMIT_DOCUMENT = "limit_document"
    LIMIT_BYTES = "limit_bytes"
    LIMIT_REQUESTS = "limit_requests"
    LIMIT_AWARENESS = "limit_awareness"
    LIMIT_SEATS_PER_ROOM = "limit_seats_per_room"
    LIMIT_SEATS_PER_USER = "limit_seats_per_user"
    LIMIT_SEATS_PER_ADDRESS = "limit_seats_per_address"


counters: Counter[str] = Counter({name.value: 0 for name in Count})
"""Every counter, those that are still 0 too; closes are counted per code as "closes_<code>"."""


def count(name: Count, number: int = 1) -> None:
    """Add to a counter."""
    counters[name] += number


def count_close(code: int) -> None:
    """Count a socket that the server closed, by its close code."""
    counters[f"closes_{code}"] += 1
