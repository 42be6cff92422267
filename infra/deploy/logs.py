"""The logs of functions, jobs and image builds, one beside the other as they are written."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore.exceptions import ClientError

from .inventory import is_gone, log_group_prefixes
from .stage import Stage
from .waiting import pauses

#: Events reach CloudWatch late and out of order: each round looks again at so much of the past.
_OVERLAP_MILLISECONDS = 15_000


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """An event of a log group.

    Attributes:
        at: Unix milliseconds.
        source: the end of the group's name.
    """

    at: int
    source: str
    text: str


def groups(logs: Any, stage: Stage, words: str = "") -> list[str]:
    """The stage's log groups whose name has the words in it."""
    paginator = logs.get_paginator("describe_log_groups")
    found = [
        each["logGroupName"]
        for prefix in log_group_prefixes(stage)
        for page in paginator.paginate(logGroupNamePrefix=prefix)
        for each in page["logGroups"]
    ]
    return sorted(each for each in found if words in each)


def tail(logs: Any, stage: Stage, since: int, *, words: str = "", follow: bool) -> Iterator[Line]:
    """What is logged from a time on, each event once.

    Args:
        since: Unix milliseconds.
        words: what the name of a log group must have in it.
        follow: go on for ever; otherwise end when all that is there was shown.
    """
    seen: dict[str, int] = {}
    for turn, _ in zip(count(), pauses(), strict=False):
        lines: list[Line] = []
        for group in groups(logs, stage, words):
            for event in _events(logs, group, since):
                if event["eventId"] not in seen:
                    seen[event["eventId"]] = event["timestamp"]
                    lines.append(
                        Line(event["timestamp"], group.rpartition("/")[2], event["message"].rstrip())
                    )
        yield from sorted(lines)
        if not follow:
            return
        if turn and seen:
            since = max(since, max(seen.values()) - _OVERLAP_MILLISECONDS)
            seen = {identity: at for identity, at in seen.items() if at >= since}


def _events(logs: Any, group: str, since: int) -> Iterator[dict[str, Any]]:
    try:
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group, startTime=since):
            yield from page["events"]
    except ClientError as error:
        if not is_gone(error):  # a stage that is being destroyed
            raise
