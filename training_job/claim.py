"""The process: it claims its session, trains it, and says with its exit code whether to try again."""

import errno
import logging
import os
import time

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.contract.errors import DarkroomError, LostClaimError, TrainingError, UnavailableError
from chalicelib.contract.records import Failure
from chalicelib.contract.states import Phase, Status

from .aws import Clients
from .checkpoint_store import delete_checkpoints
from .config import JobEnvironment, available_cores
from .endings import TRY_AGAIN, Endings, is_lost
from .group import Group
from .job import Job
from .launch import leave
from .metrics_sink import StopRequestedError
from .patience import is_passing
from .prepare import settle
from .run import Run
from .termination import EXIT_CODE, Termination

_LOG = logging.getLogger("training_job")


def main() -> int:
    """Claims the session and trains it.

    Returns:
        The exit code. 0: completed, stopped, or another attempt's business. 1: the session says
        why it failed, and another attempt would fail as well. 75: AWS was out of reach, and 143: the
        machine was reclaimed; another attempt goes on.
    """
    start, group = time.monotonic(), Group.join(os.environ)
    settle(max(1, available_cores() // group.local_size))
    job = Job.create(JobEnvironment.read(os.environ), Clients.create(), group)
    try:
        code = claim_and_train(job, start)
    except LostClaimError as error:
        _LOG.info("%s", error.detail)
        code = 0
    return code if group.size == 1 else leave(code)


def claim_and_train(job: Job, start: float) -> int:
    """Trains the session if it can be claimed, and gives it its last state; see `main`.

    Args:
        start: the moment of `time.monotonic` from which maxRuntimeMinutes counts.

    Raises:
        LostClaimError: the session is over, or another attempt has it.
    """
    endings = Endings(job.group, job.sessions.fail)
    try:
        code = _train(job, start)
    except LostClaimError:
        endings.end(0)
        raise
    except UnavailableError as error:
        _LOG.warning("%s", error.detail)
        return endings.end(TRY_AGAIN)
    except TrainingError as error:
        _LOG.error("%s: %s", error.code, error.detail)
        return _fail(job, endings, error)
    except RuntimeError as error:  # `is_lost`
        _LOG.warning("another process is gone: %s", error)
        return endings.end_lost(TRY_AGAIN)
    return endings.end(_forget(job, code)) if job.group.writes else code


def _fail(job: Job, endings: Endings, error: TrainingError) -> int:
    try:
        return _forget(job, endings.end(1, Failure(code=error.code, message=error.detail)))
    except UnavailableError as unavailable:  # another attempt fails as well, and may get to say so
        _LOG.warning("%s", unavailable.detail)
        return TRY_AGAIN


def _train(job: Job, start: float) -> int:
    try:
        session = job.group.share(job.sessions.claim() if job.group.writes else None)
        return Run(job, session, Termination(job.sessions, job.stop, job.reclaimed), start).train()
    except DarkroomError:
        raise
    except StopRequestedError:
        if job.group.writes:
            job.sessions.end(Status.STOPPED, {"Phase": Phase.DONE})
        return 0
    except Exception as error:
        if is_lost(error):
            raise
        raise _translated(error) from error


def _translated(error: Exception) -> DarkroomError:
    """What its user is to hear of an error that nobody below has foreseen."""
    if isinstance(error, BotoCoreError | ClientError) and is_passing(error):
        return UnavailableError(str(error))
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        words = "The machine's disk is full. Set a lower imageSize, or train on fewer images."
        return TrainingError(words, code="disk-full")
    _LOG.error("unforeseen", exc_info=error)
    words = f"The training ended with an unforeseen {type(error).__name__}; the job's log has the details."
    return TrainingError(words, code="internal-error")


def _forget(job: Job, code: int) -> int:
    """Deletes the checkpoints where nobody is to go on from them."""
    if job.group.writes and code not in (EXIT_CODE, TRY_AGAIN):
        delete_checkpoints(job.objects, job.sessions)
    return code
