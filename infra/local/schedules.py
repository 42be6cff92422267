"""What happens by the clock: the app's scheduled functions, and DynamoDB's time to live."""

import logging
import re
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from chalice.app import Chalice, ScheduledEventConfig
from chalice.local import LambdaContext

from chalicelib.contract.tables import KEYS

from .aws import REGION, EmbeddedAws

_LOG = logging.getLogger(__name__)
_SECONDS = {"minute": 60, "hour": 3600, "day": 86400}


def rate_seconds(expression: str) -> float:
    """Seconds of a `rate(5 minutes)` expression.

    Raises:
        ValueError: it is another kind of expression; cron is not offered here.
    """
    match = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
    if not match:
        raise ValueError(f"the embedded AWS runs no schedule {expression!r}, only rates")
    return int(match[1]) * _SECONDS[match[2]]


def schedules(app: Chalice) -> list[tuple[float, Callable[[], Any]]]:
    """The app's scheduled functions: seconds between two runs, and what runs."""
    sources = [each for each in app.event_sources if isinstance(each, ScheduledEventConfig)]
    return [(rate_seconds(_expression(each)), _scheduled(app, each.name)) for each in sources]


def repeat(seconds: float, run: Callable[[], Any], stop: threading.Event) -> None:
    """Runs something each so many seconds until `stop` is set; a failure is logged."""
    while not stop.wait(seconds):
        try:
            run()
        except Exception:  # noqa: BLE001 - as EventBridge: the next run comes all the same
            _LOG.exception("a scheduled function raised")


def expire(aws: EmbeddedAws) -> None:
    """Deletes the items whose time is over, as DynamoDB does within a few days."""
    client = aws.client("dynamodb")
    for table, key in KEYS.items():
        name = aws.outputs["TablePrefix"] + table
        attribute = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"].get("AttributeName")
        if attribute:
            _expire(client, name, key, attribute)


def _expire(client: Any, table: str, key: tuple[str, ...], attribute: str) -> None:
    condition: dict[str, Any] = {
        "ExpressionAttributeNames": {"#expires": attribute},
        "ExpressionAttributeValues": {":now": {"N": str(int(time.time()))}},
    }
    pages = client.get_paginator("scan").paginate(
        TableName=table, FilterExpression="#expires < :now", **condition
    )
    for item in (item for page in pages for item in page["Items"]):
        client.delete_item(TableName=table, Key={name: item[name] for name in key})


def _expression(source: ScheduledEventConfig) -> str:
    expression = source.schedule_expression
    return expression if isinstance(expression, str) else expression.to_string()


def _scheduled(app: Chalice, name: str) -> Callable[[], Any]:
    def run() -> Any:
        context = LambdaContext(name, memory_size=1024, max_runtime_ms=60_000)
        return app.handler_map[name](scheduled_event(name), context)

    return run


def scheduled_event(name: str) -> dict[str, Any]:
    """What EventBridge sends to a function of this name by the clock."""
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:events:{REGION}:123456789012:rule/{name}"],
        "detail": {},
    }
