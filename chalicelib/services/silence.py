"""When a job that doesn't report counts as dead.

The container reports every few seconds while it trains, and at least twice a minute whatever it is busy
with (`training_job/heart.py`). With five minutes between two sweeps, a dead run has failed within ten.
"""

from datetime import datetime, timedelta

from ..contract.records import Session
from ..contract.states import Status
from .run_ports import JobSeen
from .times import parse

SILENT_AFTER = timedelta(minutes=4)
#: Between the two looks that a silent run gets: after an outage of DynamoDB the sweep may be the first to
#: have it back, and the containers try again within so many seconds: a look
#: each 5, and a try of up to 15 (`training_job/heart.py`, `training_job/aws.py`).
SECOND_LOOK_SECONDS = 25.0
#: For the machines of one job to find one another, before the main one can claim the session.
GATHERING = timedelta(minutes=20)


def is_silent(session: Session, job: JobSeen, now: datetime) -> bool:
    """Whether a job runs, and doesn't report.

    A job that waits for a machine can't: for its first one, or for another after a Spot reclaim.
    """
    if job.status != "RUNNING":
        return False
    signs = [parse(session.heartbeat_at)] if session.heartbeat_at else []
    if job.started_at:
        # An attempt has to import, and to meet the other machines, before it can claim the session.
        signs.append(job.started_at + (GATHERING if session.config.get("nodes", 1) > 1 else timedelta()))
    elif session.status == Status.RUNNING:
        signs.append(parse(session.start_time))
    return bool(signs) and now - max(signs) > SILENT_AFTER
