"""Messages of a queue, each handled by itself: a bad one never holds up the others.

Source of the answer's form: AWS Lambda, "Reporting batch item failures".
"""

from collections.abc import Callable, Mapping
from typing import Any

from ..bootstrap import log

#: As the queues' redrive policies have it, in infra/template.yaml.
MAX_RECEIVES = 5

Message = Mapping[str, Any]


def arn_of(queue: str) -> Any:
    """A queue of infra/template.yaml, for `chalice package`; Chalice passes it on though it types a str."""
    return {"Fn::GetAtt": [queue, "Arn"]}


def handle_each(
    event: Mapping[str, Any],
    handle: Callable[[Message], None],
    give_up: Callable[[Message], None] | None = None,
) -> dict[str, Any]:
    """Handles the messages of a batch and reports those that failed, which the queue brings again.

    Args:
        event: as Lambda gets it from SQS.
        handle: takes one message.
        give_up: takes a message whose last try failed, which goes to the dead-letter queue now.
    """
    failed = []
    for message in event["Records"]:
        try:
            handle(message)
        except Exception:  # noqa: BLE001 - the outermost edge: the message stays, and is tried again
            log().exception("message failed", extra={"message_id": message["messageId"]})
            failed.append({"itemIdentifier": message["messageId"]})
            if give_up and _is_last_try(message):
                _try_to_give_up(message, give_up)
    return {"batchItemFailures": failed}


def _try_to_give_up(message: Message, give_up: Callable[[Message], None]) -> None:
    try:
        give_up(message)
    except Exception:  # noqa: BLE001 - the message goes to the dead-letter queue all the same
        log().exception("giving up failed", extra={"message_id": message["messageId"]})


def _is_last_try(message: Message) -> bool:
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1)) >= MAX_RECEIVES
