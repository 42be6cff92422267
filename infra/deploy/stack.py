"""Changes of the CloudFormation stack: proposed, carried out, undone."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import inventory
from .account import Clients, code_of
from .errors import FailedError, NameTakenError, StackStateError
from .stage import Stage
from .states import Stack, Watch, because, begun, describe, events, follow
from .waiting import pauses

#: CloudFormation lets such a stack be deleted, and nothing else.
_ONLY_DELETE = {
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
    "IMPORT_ROLLBACK_FAILED",
}
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_NOTHING_CHANGED = ("didn't contain changes", "No updates are to be performed")


@dataclass(frozen=True, kw_only=True)
class ChangeSet:
    """What a deployment would change."""

    name: str
    stack: str
    creates: bool
    changes: Sequence[Mapping[str, Any]]


def settled(cloudformation: Any, name: str, watch: Watch) -> Stack | None:
    """The stack once nothing is under way in it: an interrupted deploy goes on in AWS."""
    found = describe(cloudformation, name)
    if found is not None and found.is_moving:
        return follow(cloudformation, found.identity, watch)
    return found


def check_can_go_on(clients: Clients, stage: Stage, found: Stack) -> None:
    """Checks that an update may be tried.

    Raises:
        StackStateError: it may not; says why the stack came to be so.
    """
    cloudformation = clients("cloudformation")
    if found.status in _ONLY_DELETE:
        raise StackStateError(
            f"The stack {stage.stack_name} is in {found.status}, which can only be deleted."
            f"{because(cloudformation, found.identity)}",
            _deleted_by(clients, stage, found.status),
        )
    if found.status == "UPDATE_ROLLBACK_FAILED":
        raise StackStateError(
            f"The stack {stage.stack_name} is in UPDATE_ROLLBACK_FAILED: an update failed, and so did the way"
            f" back.{because(cloudformation, found.identity)}",
            f"aws cloudformation continue-update-rollback --stack-name {stage.stack_name}"
            f" --region {stage.region}",
        )
    if not found.is_ready and found.status != "REVIEW_IN_PROGRESS":
        raise StackStateError(
            f"The stack {stage.stack_name} is in {found.status}, from which no deploy goes on.",
            stage.make("destroy"),
        )


def propose(
    cloudformation: Any,
    stage: Stage,
    *,
    template_url: str,
    parameters: Mapping[str, str],
    creates: bool,
    adopts: bool,
) -> ChangeSet | None:
    """Has CloudFormation work out what would change; None if nothing would.

    Args:
        template_url: where the template lies in S3.
        parameters: values of its parameters.
        creates: whether there is no stack yet.
        adopts: whether to take in what is there already under a name that the template spells out.

    Raises:
        FailedError: it refuses the template or the parameters; says why.
    """
    name = f"deploy-{secrets.token_hex(6)}"
    try:
        made = cloudformation.create_change_set(
            StackName=stage.stack_name,
            ChangeSetName=name,
            ChangeSetType="CREATE" if creates else "UPDATE",
            TemplateURL=template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
            Tags=[{"Key": key, "Value": value} for key, value in stage.tags.items()],
            ImportExistingResources=adopts,
        )
    except ClientError as error:
        if code_of(error) != "ValidationError":
            raise
        raise FailedError(
            f"CloudFormation refuses the template: {error.response['Error']['Message']}", "make templates"
        ) from error
    return _worked_out(cloudformation, stage, made["Id"], made["StackId"], creates)


def _worked_out(
    cloudformation: Any, stage: Stage, name: str, identity: str, creates: bool
) -> ChangeSet | None:
    for _ in pauses():
        found = cloudformation.describe_change_set(StackName=identity, ChangeSetName=name)
        if found["Status"] not in ("CREATE_PENDING", "CREATE_IN_PROGRESS"):
            break
    if found["Status"] == "FAILED":
        reason = found.get("StatusReason", "")
        cloudformation.delete_change_set(StackName=identity, ChangeSetName=name)
        if any(words in reason for words in _NOTHING_CHANGED):
            return None
        raise FailedError(f"CloudFormation can't work out the changes: {reason}", stage.make("deploy"))
    changes = list(found["Changes"])
    while found.get("NextToken"):
        found = cloudformation.describe_change_set(
            StackName=identity, ChangeSetName=name, NextToken=found["NextToken"]
        )
        changes += found["Changes"]
    resources = [each["ResourceChange"] for each in changes if each["Type"] == "Resource"]
    return ChangeSet(name=name, stack=identity, creates=creates, changes=resources)


def withdraw(cloudformation: Any, change_set: ChangeSet) -> None:
    """Forgets a change set, and the empty stack that it was made with."""
    cloudformation.delete_change_set(StackName=change_set.stack, ChangeSetName=change_set.name)
    if change_set.creates:
        delete_empty(cloudformation, change_set.stack)


def delete_empty(cloudformation: Any, identity: str) -> None:
    """Deletes a stack in REVIEW_IN_PROGRESS: one that was only ever planned."""
    cloudformation.delete_stack(StackName=identity)
    for _ in pauses():
        if describe(cloudformation, identity) is None:
            return


def carry_out(clients: Clients, stage: Stage, change_set: ChangeSet, watch: Watch) -> Stack:
    """Executes a change set, and returns when all is done.

    Raises:
        FailedError: CloudFormation failed and went back; says which resource, and why.
    """
    cloudformation = clients("cloudformation")
    seen = {each["EventId"] for each in events(cloudformation, change_set.stack)}
    cloudformation.execute_change_set(StackName=change_set.stack, ChangeSetName=change_set.name)
    begun(cloudformation, change_set.stack, seen)
    found = follow(cloudformation, change_set.stack, watch, seen)
    if found is not None and found.status in _DONE:
        return found
    status = found.status if found else "DELETE_COMPLETE"
    went_back = status == "UPDATE_ROLLBACK_COMPLETE"
    raise FailedError(
        f"{'The update' if went_back else 'The deployment'} of {stage.stack_name} failed, and the stack is "
        f"{'as it was before' if went_back else 'in ' + status}."
        f"{because(cloudformation, change_set.stack)}",
        stage.make("deploy") if went_back else _deleted_by(clients, stage, status),
    )


def _deleted_by(clients: Clients, stage: Stage, status: str) -> str:
    """The command for a stack that can only be deleted.

    Protected tables keep a stack whose creation failed in ROLLBACK_FAILED. They go with it where nothing was
    ever in them; what was taken in from an earlier stack stays, and what can't be looked at.
    """
    try:
        may_go = status == "ROLLBACK_FAILED" and inventory.has_only_empty_data(clients, stage)
    except (ClientError, NameTakenError):
        may_go = False
    return stage.make("destroy", **({"PURGE": "1"} if may_go else {}))


def delete(cloudformation: Any, identity: str, watch: Watch, retained: Sequence[str] = ()) -> Stack | None:
    """Deletes a stack; what is left of it is returned, with a resource that couldn't be deleted.

    Args:
        retained: logical ids of resources that failed before, and now stay without their stack.
    """
    seen = {each["EventId"] for each in events(cloudformation, identity)}
    cloudformation.delete_stack(
        StackName=identity, **({"RetainResources": list(retained)} if retained else {})
    )
    begun(cloudformation, identity, seen)
    return follow(cloudformation, identity, watch, seen)


def resources(cloudformation: Any, name: str) -> list[dict[str, Any]]:
    """What the stack still consists of: LogicalResourceId, ResourceType and, if made, PhysicalResourceId."""
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    found = [each for page in pages for each in page["StackResourceSummaries"]]
    return [each for each in found if each["ResourceStatus"] != "DELETE_COMPLETE"]
