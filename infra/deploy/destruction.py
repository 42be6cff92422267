"""Back to nothing: ends, empties and deletes a stage, then looks whether anything is left."""

from pathlib import Path
from typing import Any

from rich.console import Console

from . import inventory, kept, removal, stack, states, terminal
from .account import Account
from .errors import FailedError, LeftoversError, NotConfirmedError
from .inventory import Inventory
from .stage import STAGES, Stage, protects_data
from .waiting import within

#: What a stage keeps when its data is protected.
_DATA_TYPES = ("AWS::DynamoDB::Table", "AWS::S3::Bucket")
#: Objects may arrive while the bucket is emptied, as the API still runs.
_ATTEMPTS = 3
#: For how long the tagging API may show what is deleted,
_TAG_SECONDS = 60.0
#: but for what EC2 and Batch ended, which it shows for an hour and more.
_LINGERING = (":instance/", ":volume/", ":spot-instances-request/", ":spot-fleet-request/", ":fleet/")


def destroy(
    account: Account,
    name: str,
    console: Console,
    *,
    confirm: str = "",
    purge: bool = False,
    stages: Path = STAGES,
    tag_seconds: float = _TAG_SECONDS,
) -> None:
    """Destroys a stage; where nothing is left of it, only says so.

    Args:
        confirm: the stage's name, where nobody can be asked.
        purge: delete protected data too.
        stages: the folder of the stages' parameters.
        tag_seconds: how long to wait for the tagging API to forget.

    Raises:
        DeployError: it wasn't confirmed, failed, or something is left; a second call goes on from there.
    """
    stage = account.stage(name)
    found = _settled(account, stage, console)
    there = inventory.take(account.clients, stage)
    keeps = not purge and _is_protected(stage, found, there, stages)
    resources = stack.resources(account.clients("cloudformation"), found.identity) if found else []
    if found or any(there.names()):
        _list(account, stage, found, resources, there, keeps, console)
        _confirm(stage, confirm, keeps and _has_data(stage, there), console)
        _end_jobs(account, stage, resources, console)
        _empty(account, stage, there, keeps, console)
        if found:
            _delete_stack(account, stage, found, len(resources), keeps, console)
        _delete_rest(account, stage, keeps, console)
    _check(account, stage, keeps, tag_seconds, console)


def _is_protected(stage: Stage, found: states.Stack | None, there: Inventory, stages: Path) -> bool:
    """Whether anything says so: a restored table has lost its own protection, and a stack may be gone."""
    by_stack = found is not None and found.parameters.get("DeletionProtection") == "true"
    return by_stack or bool(there.protected) or protects_data(stages, stage.name)


def _has_data(stage: Stage, there: Inventory) -> bool:
    return bool(there.tables) or stage.bucket in there.buckets


def _settled(account: Account, stage: Stage, console: Console) -> states.Stack | None:
    with terminal.stack_progress(console, "waiting for what is under way", 0) as watch:
        return stack.settled(account.clients("cloudformation"), stage.stack_name, watch)


def _list(
    account: Account,
    stage: Stage,
    found: states.Stack | None,
    resources: list[dict[str, Any]],
    there: Inventory,
    keeps: bool,
    console: Console,
) -> None:
    rows = [("stack", stage.stack_name, f"{len(resources)} resources, {found.status}")] if found else []
    stays = {*there.tables, stage.bucket} if keeps else set()
    for kind, name in there.names():
        rows.append((kind, name, "stays" if name in stays else _content(account, stage, kind, name)))
    title = f"of {stage.stack_name} in account {stage.account}, {stage.region}"
    console.print(terminal.plain_table(f"What goes {title}", ("", "name", ""), rows))


def _content(account: Account, stage: Stage, kind: str, name: str) -> str:
    if kind == "bucket":
        return str(inventory.objects(account.clients("s3"), stage, name))
    if kind == "image repository":
        return f"{inventory.image_count(account.clients('ecr'), name)} images"
    if kind == "table":
        described = account.clients("dynamodb").describe_table(TableName=name)["Table"]
        return f"about {described.get('ItemCount', 0):,} items"
    return ""


def _confirm(stage: Stage, confirm: str, keeps: bool, console: Console) -> None:
    if keeps:
        terminal.say(
            console,
            f"The data of {stage.stack_name} is protected: tables and bucket stay."
            f" ({stage.make('destroy', PURGE='1')} deletes them too.)",
            "[yellow]![/]",
        )
    otherwise = stage.make("destroy", CONFIRM=stage.name)
    typed = confirm or terminal.ask_for(
        console, f"Type {stage.name} to destroy it; there is no way back:", otherwise=otherwise
    )
    if typed != stage.name:
        raise NotConfirmedError(
            f"Nothing was destroyed: {typed!r} is not {stage.name!r}.", stage.make("destroy")
        )


def _end_jobs(account: Account, stage: Stage, resources: list[dict[str, Any]], console: Console) -> None:
    ended = removal.end_jobs(
        account.clients("batch"),
        stage,
        _physical(resources, "AWS::Batch::JobQueue"),
        _physical(resources, "AWS::CodeBuild::Project"),
        account.clients("codebuild"),
    )
    if ended:
        terminal.say(console, f"ended {ended} jobs")


def _physical(resources: list[dict[str, Any]], kind: str) -> list[str]:
    """Without those that CloudFormation never came to make, which have no such id."""
    found = [each.get("PhysicalResourceId") for each in resources if each["ResourceType"] == kind]
    return [name for name in found if name]


def _empty(account: Account, stage: Stage, there: Inventory, keeps: bool, console: Console) -> None:
    with console.status("emptying"):
        for repository in there.repositories:
            removal.empty_repository(account.clients("ecr"), repository)
        if keeps:
            # Whatever its policy in the stack: CloudFormation then fails at it, and leaves it out next time.
            for table in there.unprotected:
                removal.protect(account.clients("dynamodb"), table)
        else:
            for table in there.protected:
                removal.unprotect(account.clients("dynamodb"), table)
            if stage.bucket in there.buckets:
                removal.empty_bucket(account.clients("s3"), stage, stage.bucket)


def _delete_stack(
    account: Account, stage: Stage, found: states.Stack, size: int, keeps: bool, console: Console
) -> None:
    """Tries again what can be: a bucket that was filled meanwhile is emptied, data that stays is left out.

    Raises:
        FailedError: CloudFormation can't delete a resource; says which, and why.
    """
    cloudformation = account.clients("cloudformation")
    retained: list[str] = []
    with terminal.stack_progress(console, "deleting the stack", size) as watch:
        for _ in range(_ATTEMPTS):
            if stack.delete(cloudformation, found.identity, watch, retained) is None:
                terminal.say(console, f"the stack {stage.stack_name} is gone")
                return
            if keeps:
                there = stack.resources(cloudformation, found.identity)
                retained = [
                    each["LogicalResourceId"]
                    for each in there
                    if each["ResourceType"] in _DATA_TYPES and each["ResourceStatus"] != "DELETE_SKIPPED"
                ]
            else:
                removal.empty_bucket(account.clients("s3"), stage, stage.bucket)
    raise FailedError(
        f"CloudFormation can't delete {stage.stack_name}.{states.because(cloudformation, found.identity)}",
        stage.make("destroy", **({} if keeps else {"PURGE": "1"})),
    )


def _delete_rest(account: Account, stage: Stage, keeps: bool, console: Console) -> None:
    """What no stack deletes: the artifact bucket, logs that services wrote, what a broken stack has left."""
    there = inventory.take(account.clients, stage)
    with console.status("deleting the rest"):
        for group in there.log_groups:
            removal.delete_log_group(account.clients("logs"), group)
        for repository in there.repositories:
            removal.delete_repository(account.clients("ecr"), repository)
        for bucket in there.buckets:
            if not (keeps and bucket == stage.bucket):
                removal.delete_bucket(account.clients("s3"), stage, bucket)
        if not keeps:
            for table in there.tables:
                removal.delete_table(account.clients("dynamodb"), table)


def _check(account: Account, stage: Stage, keeps: bool, tag_seconds: float, console: Console) -> None:
    """Looks by name and by tag.

    Raises:
        LeftoversError: something is left that should not be.
    """
    left: list[str] = []
    lingering: list[str] = []

    def nothing_is_left() -> bool:
        left[:], lingering[:] = _leftovers(account, stage, keeps)
        return not left

    with console.status("looking for what is left"):
        clean = within(tag_seconds, nothing_is_left)
    if not clean:
        raise LeftoversError(
            f"Of {stage.stack_name} there is still: {', '.join(left)}.", stage.make("destroy")
        )
    for arn in lingering:
        terminal.say(
            console, f"still listed by its tag, as what has ended is for hours: {arn}", "[yellow]![/]"
        )
    there = inventory.take(account.clients, stage)
    if keeps and _has_data(stage, there):
        _say_kept(account, stage, there, console)
    else:
        terminal.say(console, f"nothing is left of {stage.stack_name}")


def _say_kept(account: Account, stage: Stage, there: Inventory, console: Console) -> None:
    """What stays, what it costs, and how to be rid of it."""
    terminal.say(console, f"nothing but its data is left of {stage.stack_name}")
    found = kept.measure(account, stage, there)
    terminal.say(console, f"kept: {found}; {stage.make('deploy')} takes it in again", "[yellow]![/]")
    terminal.show_next(console, stage.make("destroy", PURGE="1"), "To delete it, for good:")


def _leftovers(account: Account, stage: Stage, keeps: bool) -> tuple[list[str], list[str]]:
    """What is left, and what may be ended already though its tag is still found."""
    there = inventory.take(account.clients, stage)
    stays = {*there.tables, stage.bucket} if keeps else set[str]()
    by_name = [f"{kind} {name}" for kind, name in there.names() if name not in stays]
    if states.describe(account.clients("cloudformation"), stage.stack_name):
        by_name.append(f"stack {stage.stack_name}")
    ends = tuple(f"{mark}{name}" for name in stays for mark in "/:")
    by_tag = [arn for arn in inventory.tagged(account.clients, stage) if not (ends and arn.endswith(ends))]
    lingering = [arn for arn in by_tag if any(kind in arn for kind in _LINGERING)]
    return by_name + [arn for arn in by_tag if arn not in lingering], lingering
