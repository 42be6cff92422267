"""A log for a run whose job doesn't run, as its container would have left it."""

import time
from collections.abc import Sequence

from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.models import logs_backends

from infra.local.aws import REGION, EmbeddedAws

LINES = ('{"level": "INFO", "message": "training"}', "a library's warning")


def leave_log(stack: EmbeddedAws, session_id: str, lines: Sequence[str] = LINES) -> str:
    """Leaves lines in a stream of the session's job, and returns the stream's name."""
    jobs = batch_backends[DEFAULT_ACCOUNT_ID][REGION]._jobs.values()
    [job] = [each for each in jobs if each.job_name == session_id]
    group = logs_backends[DEFAULT_ACCOUNT_ID][REGION].groups[stack.outputs["TrainingLogs"]]
    job.log_stream_name = f"training/default/{session_id}"
    group.create_log_stream(job.log_stream_name)
    now = int(1000 * time.time())
    group.streams[job.log_stream_name].put_log_events(
        [{"timestamp": now + number // 3, "message": each} for number, each in enumerate(lines)]
    )
    return str(job.log_stream_name)
