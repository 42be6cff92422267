"""Event source mappings: hands the messages of the queues to the app's handlers, as Lambda does."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalice.app import Chalice, SQSEventConfig
from chalice.local import LambdaContext
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.sqs.models import Queue, sqs_backends

from .aws import REGION, EmbeddedAws

Handler = Callable[[dict[str, Any], Any], Any]
_LOG = logging.getLogger(__name__)
_IDLE_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class EventSource:
    """One queue and its function: see Lambda's CreateEventSourceMapping for the names.

    Attributes:
        is_worth_a_look: whether messages are there; asked often, so that an idle stack stays idle.
    """

    queue_url: str
    queue_arn: str
    handler: Handler
    function_name: str
    batch_size: int
    window_seconds: float
    is_worth_a_look: Callable[[], bool]


def event_sources(app: Chalice, aws: EmbeddedAws) -> list[EventSource]:
    """The queues that the app declares with `on_sqs_message`."""
    sources = [each for each in app.event_sources if isinstance(each, SQSEventConfig)]
    return [_event_source(app, aws, each) for each in sources]


def _event_source(app: Chalice, aws: EmbeddedAws, config: SQSEventConfig) -> EventSource:
    url = aws.resources[_logical_id(config.queue_arn)]
    queue = queue_of(url)
    return EventSource(
        queue_url=url,
        queue_arn=queue.queue_arn,
        handler=app.handler_map[config.name],
        function_name=config.name,
        batch_size=config.batch_size,
        window_seconds=config.maximum_batching_window_in_seconds,
        is_worth_a_look=lambda: bool(queue.messages),
    )


def queue_of(url: str) -> Queue:
    """moto's own record of a queue."""
    return sqs_backends[DEFAULT_ACCOUNT_ID][REGION].get_queue(url.rpartition("/")[2])


def _logical_id(queue_arn: Any) -> str:
    """The queue's name in infra/template.yaml, from `{"Fn::GetAtt": [name, "Arn"]}`."""
    return str(queue_arn["Fn::GetAtt"][0])


def poll(source: EventSource, client: Any, stop: threading.Event) -> None:
    """Polls one queue until `stop` is set."""
    while not stop.is_set():
        if source.is_worth_a_look() and (messages := _receive(source, client, stop)):
            _delete(client, source.queue_url, _handled(source, messages))
        else:
            stop.wait(_IDLE_SECONDS)


def _receive(source: EventSource, client: Any, stop: threading.Event) -> list[dict[str, Any]]:
    """Up to a batch; once there is a message, waits for more until the window has passed."""
    messages: list[dict[str, Any]] = []
    deadline = time.monotonic() + source.window_seconds
    while len(messages) < source.batch_size:
        got = client.receive_message(
            QueueUrl=source.queue_url,
            MaxNumberOfMessages=min(10, source.batch_size - len(messages)),
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        messages += got
        if not messages or time.monotonic() >= deadline:
            break
        if not got and stop.wait(min(_IDLE_SECONDS, source.window_seconds)):
            break
    return messages


def _handled(source: EventSource, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages that the handler is done with; the others come again."""
    event = {"Records": [_record(source, message) for message in messages]}
    context = LambdaContext(source.function_name, memory_size=1024, max_runtime_ms=60_000)
    try:
        answer = source.handler(event, context)
    except Exception:  # noqa: BLE001 - as Lambda: whatever the handler raises, its whole batch comes again
        _LOG.exception("%s raised", source.function_name)
        return []
    return _succeeded(answer, messages)


def _succeeded(answer: Any, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By ReportBatchItemFailures; an identifier that is none of the batch's fails all of it."""
    failures = answer.get("batchItemFailures", []) if isinstance(answer, Mapping) else []
    failed = {each.get("itemIdentifier") for each in failures}
    if failed - {message["MessageId"] for message in messages}:
        return []
    return [message for message in messages if message["MessageId"] not in failed]


def _record(source: EventSource, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": message.get("MessageAttributes", {}),
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": source.queue_arn,
        "awsRegion": REGION,
    }


def _delete(client: Any, queue_url: str, messages: list[dict[str, Any]]) -> None:
    for start in range(0, len(messages), 10):
        entries = [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
            for index, message in enumerate(messages[start : start + 10])
        ]
        client.delete_message_batch(QueueUrl=queue_url, Entries=entries)
