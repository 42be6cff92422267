"""What a CloudFormation stack is and does: its state, and its events."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from .account import code_of
from .waiting import pauses, within

#: Told of each event of the stack, as CloudFormation describes it.
Watch = Callable[[Mapping[str, Any]], None]

#: Of these an update leads on.
_READY = {
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "UPDATE_FAILED",
    "UPDATE_ROLLBACK_COMPLETE",
    "IMPORT_COMPLETE",
    "IMPORT_ROLLBACK_COMPLETE",
}
#: Until CloudFormation shows that it has begun.
_BEGIN_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack as it is now."""

    identity: str  # its ARN, by which it is found even when it is gone
    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_moving(self) -> bool:
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def is_ready(self) -> bool:
        return self.status in _READY


def describe(cloudformation: Any, name: str) -> Stack | None:
    """The stack by its name or ARN; None where there is none, or no longer one."""
    try:
        [found] = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if code_of(error) == "ValidationError":
            return None
        raise
    if found["StackStatus"] == "DELETE_COMPLETE":
        return None
    return Stack(
        identity=found["StackId"],
        status=found["StackStatus"],
        outputs={each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
        parameters={
            each["ParameterKey"]: each.get("ParameterValue", "") for each in found.get("Parameters", [])
        },
    )


def follow(cloudformation: Any, identity: str, watch: Watch, seen: set[str] | None = None) -> Stack | None:
    """Tells of each new event until nothing is under way; None when the stack is gone."""
    seen = {each["EventId"] for each in events(cloudformation, identity)} if seen is None else seen
    for _ in pauses():
        found = describe(cloudformation, identity)
        for event in reversed(list(_unseen(cloudformation, identity, seen))):
            seen.add(event["EventId"])
            watch(event)
        if found is None or not (found.is_moving or found.status == "REVIEW_IN_PROGRESS"):
            return found
    raise AssertionError("pauses end never")


def begun(cloudformation: Any, identity: str, seen: set[str]) -> None:
    """Waits for an operation's first event: until then the status may be that of the operation before."""
    within(_BEGIN_SECONDS, lambda: any(True for _ in _unseen(cloudformation, identity, seen)))


def _failures(cloudformation: Any, identity: str) -> list[dict[str, Any]]:
    """Of the last operation, oldest first, without what was only cancelled."""
    found = []
    for event in events(cloudformation, identity):
        if event["ResourceStatus"].endswith("_FAILED") and not _only_cancelled(event):
            found.append(event)
        if _begins_operation(event):
            break
    return found[::-1]


def _begins_operation(event: Mapping[str, Any]) -> bool:
    """Whether a person's wish began with it: a rollback begins by itself, and has its causes before it."""
    wishes = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS", "IMPORT_IN_PROGRESS")
    return event.get("PhysicalResourceId") == event["StackId"] and event["ResourceStatus"] in wishes


def _only_cancelled(event: Mapping[str, Any]) -> bool:
    return "cancelled" in event.get("ResourceStatusReason", "")


def because(cloudformation: Any, identity: str) -> str:
    """What failed first in the last operation and why, as a sentence after another; or nothing."""
    found = _failures(cloudformation, identity)
    if not found:
        return ""
    first = found[0]
    reason = first.get("ResourceStatusReason", "no reason given").rstrip(".")
    return f" {first['LogicalResourceId']}: {reason}."


def events(cloudformation: Any, identity: str) -> Iterator[dict[str, Any]]:
    """Newest first."""
    for page in cloudformation.get_paginator("describe_stack_events").paginate(StackName=identity):
        yield from page["StackEvents"]


def _unseen(cloudformation: Any, identity: str, seen: set[str]) -> Iterator[dict[str, Any]]:
    for event in events(cloudformation, identity):
        if event["EventId"] in seen:
            return
        yield event
