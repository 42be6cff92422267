"""S3's notice that an object landed, and the sweep that finds objects without one."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import Blueprint, CloudWatchEvent, Rate, SQSEvent

from ..bootstrap import services
from ..contract.objects import IncomingKey
from ..logs import about, invocation, note
from ..services.acceptance import MAX_IMAGE_BYTES
from .queues import Message, arn_of, handle_each

blueprint = Blueprint(__name__)

#: A sweep begins nothing more after this; a function has a minute unless told otherwise.
_RECOVERY = timedelta(seconds=40)


@blueprint.on_sqs_message(queue_arn=arn_of("IngestQueue"), batch_size=10, name="ingest")
def ingest(event: SQSEvent) -> dict[str, Any]:
    """Makes objects under incoming/ into images."""
    with about(functionRequestId=invocation(event.context)):
        return handle_each(event.to_dict(), _take, _give_up)


@blueprint.schedule(Rate(15, unit=Rate.MINUTES), name="recover")
def recover(event: CloudWatchEvent) -> None:
    """Takes in objects whose events were lost."""
    with about(functionRequestId=invocation(event.context)):
        services().ingest.sweep(datetime.now(UTC) + _RECOVERY)


def _take(message: Message) -> None:
    for key, size_bytes in _objects(message):
        services().ingest.take(key, size_bytes)


def _give_up(message: Message) -> None:
    for key, _ in _objects(message):
        services().ingest.give_up(key)


def _objects(message: Message) -> Iterator[tuple[str, int]]:
    """(key, bytes) of a notice; keys come URL-encoded. The test notice of a new subscription has none."""
    for record in json.loads(message["body"]).get("Records", []):
        landed = record["s3"]["object"]
        key = unquote_plus(landed["key"])
        if incoming := IncomingKey.parse(key):
            note(projectId=incoming.project_id, uploadId=incoming.upload_id, imageId=incoming.image_id)
        yield key, landed.get("size", MAX_IMAGE_BYTES)
