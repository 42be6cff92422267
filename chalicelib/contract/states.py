"""The states of a training session and their legal moves.

queued -> provisioning -> running -> completed | failed | stopped

A terminal state never changes. A move to the state that the session is in is no move.
"""

from enum import StrEnum


class Status(StrEnum):
    """The words users see."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    STOPPED = "stopped"


class Phase(StrEnum):
    """What a session is doing, in the order in which it happens."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    PREPARING = "preparing"
    DOWNLOADING = "downloading"
    TRAINING = "training"
    EVALUATING = "evaluating"
    EXPORTING = "exporting"
    DONE = "done"


ACTIVE = (Status.QUEUED, Status.PROVISIONING, Status.RUNNING)
TERMINAL = (Status.COMPLETED, Status.FAILED, Status.STOPPED)

_MOVES: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PROVISIONING, Status.RUNNING, Status.FAILED, Status.STOPPED}),
    Status.PROVISIONING: frozenset({Status.RUNNING, Status.FAILED, Status.STOPPED}),
    # A new attempt claims a session that is already running: Batch retries after a Spot reclaim.
    Status.RUNNING: frozenset({Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.STOPPED}),
    **dict.fromkeys(TERMINAL, frozenset[Status]()),
}


def may_move(origin: Status, target: Status) -> bool:
    return target in _MOVES[origin]


def origins(target: Status) -> tuple[Status, ...]:
    """The states from which a session may move to `target`: the condition of the write."""
    return tuple(origin for origin in Status if may_move(origin, target))
