"""Messages of a queue, each handled by itself: a bad one never holds up the others.

Source of the answer's form: AWS Lambda, "Reporting batch item failures".
"""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from ..bootstrap import log
from ..logs import about
from ..services.turns import NotBegunError, beginning_within, seconds_left

#: As the queues' redrive policies have it, in infra/template.yaml.
MAX_RECEIVES = 5
_WORKERS = 10
#: From the begin of a batch: who begins to decode then ends 25 seconds later at the latest (isolation.py),
#: within the minute that the functions have in infra/functions.yaml.
BEGIN_WITHIN_SECONDS = 25.0

Message = Mapping[str, Any]


def arn_of(queue: str) -> Any:
    """A queue of infra/template.yaml, for `chalice package`; Chalice passes it on though it types a str."""
    return {"Fn::GetAtt": [queue, "Arn"]}


def handle_each(
    event: Mapping[str, Any],
    handle: Callable[[Message], None],
    give_up: Callable[[Message], None] | None = None,
    workers: int = _WORKERS,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Handles the messages of a batch, in parallel, and reports those that failed: they come again.

    So do those whose turn didn't come within BEGIN_WITHIN_SECONDS, as untouched as if they had never come,
    but for SQS, which counts this receive as any other: after MAX_RECEIVES of them a message goes to the
    dead-letter queue, without `give_up`. The slow ones before it don't come again: they have met their own
    limits by then. Of what SQS has dropped so the sweep takes in the object.

    Args:
        event: as Lambda gets it from SQS.
        handle: takes one message, in a thread of the pool.
        give_up: takes a message whose last try failed, which goes to the dead-letter queue now.
        workers: how many are handled at one moment.
        clock: seconds, monotonic.
    """

    def fails(message: Message) -> bool:
        with about(messageId=message["messageId"]):
            try:
                seconds_left()
                handle(message)
            except NotBegunError:
                log().warning("message not begun", receives=_receives(message))
                return True
            except Exception:  # noqa: BLE001 - the outermost edge: the message stays, and is tried again
                log().exception("message failed", receives=_receives(message))
                if give_up and _receives(message) >= MAX_RECEIVES:
                    _try_to_give_up(message, give_up)
                return True
            return False

    messages = event["Records"]
    with ThreadPoolExecutor(workers) as pool, beginning_within(BEGIN_WITHIN_SECONDS, clock):
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
