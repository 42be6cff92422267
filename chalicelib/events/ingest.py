"""S3's notice that an object landed."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from chalice.app import Blueprint, SQSEvent

from ..bootstrap import services
from .queues import Message, arn_of, handle_each

blueprint = Blueprint(__name__)


@blueprint.on_sqs_message(queue_arn=arn_of("IngestQueue"), batch_size=10, name="ingest")
def ingest(event: SQSEvent) -> dict[str, Any]:
    """Makes objects under incoming/ into images."""
    return handle_each(event.to_dict(), _take, _give_up)


def _take(message: Message) -> None:
    for key in _keys(message):
        services().ingest.take(key)


def _give_up(message: Message) -> None:
    for key in _keys(message):
        services().ingest.give_up(key)


def _keys(message: Message) -> Iterator[str]:
    """Keys of a notice; they come URL-encoded. The test notice of a new subscription has none."""
    for record in json.loads(message["body"]).get("Records", []):
        yield unquote_plus(record["s3"]["object"]["key"])
