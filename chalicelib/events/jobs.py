"""AWS Batch's notice that a job changed its state, and the sweep that needs no notice."""

import json
from typing import Any

from chalice.app import Blueprint, CloudWatchEvent, Rate, SQSEvent

from ..adapters.batch import is_node, job_seen, variables_of
from ..bootstrap import services
from ..logs import about, invocation, note
from .queues import Message, arn_of, handle_each

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue_arn=arn_of("JobStateQueue"), batch_size=10, name="job_state")
def job_state(event: SQSEvent) -> dict[str, Any]:
    """Brings sessions and transfers up to what Batch says of their jobs."""
    with about(functionRequestId=invocation(event.context)):
        return handle_each(event.to_dict(), _apply)


@blueprint.schedule(Rate(5, unit=Rate.MINUTES), name="sweep")
def sweep(event: CloudWatchEvent) -> None:
    """Looks after sessions whose events were lost."""
    with about(functionRequestId=invocation(event.context)):
        services().oversight.sweep()


def _apply(message: Message) -> None:
    detail = json.loads(message["body"])["detail"]
    environment, job = variables_of(detail), job_seen(detail)
    project_id = environment.get("PROJECT_ID")
    if project_id is None or is_node(detail):  # other jobs of the queues aren't ours
        return
    note(
        requestId=environment.get("REQUEST_ID"),
        projectId=project_id,
        sessionId=environment.get("SESSION_ID"),
        transferId=environment.get("TRANSFER_ID"),
        jobId=job.batch_job_id,
    )
    if kind := environment.get("TRANSFER_KIND"):
        services().transfer_runner.job_changed(project_id, kind, detail["jobName"], job)
    else:
        generation = int(environment.get("GENERATION", 1))
        services().oversight.job_changed(project_id, detail["jobName"], generation, job)
