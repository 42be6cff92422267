"""All processes end as the first of them said."""

from threading import Event

import pytest
from torch import distributed

from chalicelib.contract.errors import LostClaimError, UnavailableError
from chalicelib.contract.records import Failure
from training_job import endings
from training_job.endings import TRY_AGAIN, Endings, is_lost
from training_job.group import Group

FULL = Failure(code="disk-full", message="The disk is full.")
SLOW = Failure(code="max-runtime", message="The time is up.")


class Process:
    """One of two processes; torch's store in memory stands for torchrun's."""

    def __init__(self, rank: int, store: distributed.HashStore) -> None:
        self.failures: list[Failure] = []
        self.left: list[int] = []
        self.gone = Event()
        group = Group(rank=rank, size=2, store=store)
        self.endings = Endings(group, self.failures.append, self._leave)

    def _leave(self, code: int) -> None:
        self.left.append(code)
        self.gone.set()


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    """Hundredths of the seconds that processes give each other."""
    for name in ("_LOOK_SECONDS", "_WRITER_SECONDS", "_SAY_SECONDS"):
        monkeypatch.setattr(endings, name, getattr(endings, name) / 100)


@pytest.fixture
def pair() -> tuple[Process, Process]:
    store = distributed.HashStore()
    return Process(0, store), Process(1, store)


def test_what_another_process_said_is_carried_out_by_the_writer(pair):
    """A failure of the second process reaches the first while that waits; it writes it and ends."""
    writer, other = pair
    assert other.endings.end(1, FULL) == 1
    assert writer.gone.wait(5)
    assert (writer.failures, writer.left, other.failures) == ([FULL], [1], [])


def test_the_first_to_say_something_decides(monkeypatch):
    """A process that fails after another one has said why ends for that one's reason, not its own."""
    monkeypatch.setattr(Endings, "_watch", lambda endings: None)  # it hasn't looked since
    store = distributed.HashStore()
    Process(1, store).endings.end(1, FULL)
    writer = Process(0, store)
    assert (writer.endings.end(1, SLOW), writer.failures) == (1, [FULL])


def test_the_writer_carries_out_its_own(pair):
    """The writer's failure is written once, and the other process ends with its code."""
    writer, other = pair
    assert writer.endings.end(1, SLOW) == 1
    assert other.gone.wait(5)
    assert (writer.failures, writer.left, other.left) == ([SLOW], [], [1])


def test_a_process_that_lost_another_ends_as_that_one_said(pair):
    """A broken connection ends with the code of whoever broke it."""
    writer, other = pair
    writer.endings.end(0)
    assert other.endings.end_lost(TRY_AGAIN) == 0


def test_a_process_that_was_lost_without_a_word_is_tried_again(pair):
    """Where nobody said anything, another attempt is asked for, and no failure is written."""
    writer, _ = pair
    assert writer.endings.end_lost(TRY_AGAIN) == 75
    assert writer.failures == []


def test_alone_an_ending_is_its_own():
    """One process fails with its own reason, and nothing watches it."""
    failures: list[Failure] = []
    alone = Endings(Group.alone(), failures.append)
    assert (alone.end(1, FULL), failures) == (1, [FULL])


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("[gloo/transport/tcp/pair.cc:561] Connection closed by peer"), True),
        (distributed.DistBackendError("NCCL communicator was aborted"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("gloo"), False),
    ],
)
def test_a_broken_connection_is_told_from_other_errors(error, lost):
    """What gloo and NCCL say of a process that is gone isn't taken for an error of the training."""
    assert is_lost(error) == lost


@pytest.mark.parametrize(
    ("error", "code"), [(LostClaimError("lost"), 0), (UnavailableError("busy"), TRY_AGAIN)]
)
def test_a_reason_that_cannot_be_written_ends_the_writer_all_the_same(error, code):
    """Where the session is another attempt's, or AWS doesn't answer, the writer ends with what that means."""
    store, left, gone = distributed.HashStore(), [], Event()

    def fail(failure: Failure) -> None:
        raise error

    Endings(Group(rank=0, size=2, store=store), fail, lambda code: (left.append(code), gone.set()))
    Process(1, store).endings.end(1, FULL)
    assert gone.wait(5)
    assert left[0] == code


def test_a_claim_that_is_lost_while_failing_ends_the_process():
    """An ending may be told again by the thread that tells it: nothing waits for itself."""

    def fail(failure: Failure) -> None:
        raise LostClaimError("lost")

    alone = Endings(Group.alone(), fail)
    with pytest.raises(LostClaimError):
        alone.end(1, FULL)
    assert alone.end(0) == 0
