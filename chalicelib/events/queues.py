"""Messages of a queue, each handled by itself: a bad one never holds up the others.

Source of the answer's form: AWS Lambda, "Reporting batch item failures".
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from ..bootstrap import log
from ..logs import about

#: As the queues' redrive policies have it, in infra/template.yaml.
MAX_RECEIVES = 5
_WORKERS = 10

Message = Mapping[str, Any]


def arn_of(queue: str) -> Any:
    """A queue of infra/template.yaml, for `chalice package`; Chalice passes it on though it types a str."""
    return {"Fn::GetAtt": [queue, "Arn"]}


def handle_each(
    event: Mapping[str, Any],
    handle: Callable[[Message], None],
    give_up: Callable[[Message], None] | None = None,
    workers: int = _WORKERS,
) -> dict[str, Any]:
    """Handles the messages of a batch, in parallel, and reports those that failed: they come again.

    Args:
        event: as Lambda gets it from SQS.
        handle: takes one message, in a thread of the pool.
        give_up: takes a message whose last try failed, which goes to the dead-letter queue now.
        workers: how many are handled at one moment.
    """

    def fails(message: Message) -> bool:
        with about(messageId=message["messageId"]):
            try:
                handle(message)
            except Exception:  # noqa: BLE001 - the outermost edge: the message stays, and is tried again
                log().exception("message failed", receives=_receives(message))
                if give_up and _receives(message) >= MAX_RECEIVES:
                    _try_to_give_up(message, give_up)
                return True
            return False

    messages = event["Records"]
    with ThreadPoolExecutor(workers) as pool:
        failed = [
            each.result() for each in [pool.submit(copy_context().run, fails, each) for each in messages]
        ]
    return {
        "batchItemFailures": [
            {"itemIdentifier": message["messageId"]}
            for message, has_failed in zip(messages, failed, strict=True)
            if has_failed
        ]
    }


def _try_to_give_up(message: Message, give_up: Callable[[Message], None]) -> None:
    try:
        give_up(message)
    except Exception:  # noqa: BLE001 - the message goes to the dead-letter queue all the same
        log().exception("giving up failed")


def _receives(message: Message) -> int:
    return int(message.get("attributes", {}).get("ApproximateReceiveCount", 1))
