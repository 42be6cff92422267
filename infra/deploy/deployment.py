"""From a checkout to a URL. Each step finds what an interrupted run left, and goes on from there."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

from botocore.exceptions import ClientError
from rich.console import Console

from . import (
    artifacts,
    images,
    inventory,
    machines,
    notice,
    planning,
    removal,
    smoke,
    stack,
    states,
    terminal,
)
from .account import Account
from .errors import FailedError, NotConfirmedError
from .parts import Parts
from .planning import Plan
from .prices import Prices
from .stage import Stage
from .template import function_key
from .version import Version


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What the command line asks for.

    Attributes:
        yes: ask nothing.
        downgrade: deploy over a newer version all the same.
        smoke_seconds: how long the API may take to answer as it should.
    """

    yes: bool = False
    downgrade: bool = False
    smoke_seconds: float = smoke.PATIENCE_SECONDS


def deploy(account: Account, name: str, wish: Wish, parts: Parts, version: Version, console: Console) -> str:
    """Deploys a stage, or brings it up to date.

    Returns:
        The API's URL.

    Raises:
        DeployError: it can't, or failed; a second call goes on from there.
    """
    stage = account.stage(name)
    terminal.say(
        console, f"{stage.stack_name} in account {stage.account}, {stage.region}, as {account.identity}"
    )
    plan = planning.plan(account, stage, wish.downgrade, parts, version, console)
    change_set = _propose(account, plan, plan.first_parameters, plan.before is None, console)
    if change_set is not None:
        _agree(account, plan, change_set, wish, console)
    _send(account, plan, console)
    if plan.adopts:
        _protect(account, plan.stage, console)
    after = _carry_out(account, plan, change_set, console)
    if plan.protects_later:
        after = _protect_new(account, plan, after, console)
    try:
        _build_images(account, plan, after, console)
    except ClientError:
        # Such as a new account's limit of builds: the API works without, and its URL is worth to be known.
        _reach(stage, after, wish, console)
        raise
    return _reach(stage, after, wish, console)


def _propose(
    account: Account, plan: Plan, parameters: Mapping[str, str], creates: bool, console: Console
) -> stack.ChangeSet | None:
    s3, stage = account.clients("s3"), plan.stage
    artifacts.ensure(s3, stage)
    content = json.dumps(plan.template, indent=1).encode()
    key = f"templates/{hashlib.sha256(content).hexdigest()}.json"
    artifacts.send(s3, stage, key, content)
    with console.status("CloudFormation works out what changes"):
        return stack.propose(
            account.clients("cloudformation"),
            stage,
            template_url=artifacts.url(stage, key),
            parameters=parameters,
            creates=creates,
            adopts=plan.adopts,
        )


def _agree(account: Account, plan: Plan, change_set: stack.ChangeSet, wish: Wish, console: Console) -> None:
    """Shows what changes and what it costs, and asks.

    Raises:
        NotConfirmedError: the answer was no; nothing is left of the question.
    """
    if not change_set.changes:
        terminal.say(console, "nothing to change but the version that the stack says it is of")
        return
    console.print(terminal.changes_table(change_set.changes))
    notice.show_costs(account, plan, console)
    notice.warn_of_quotas(account, plan, console)
    again = plan.stage.make("deploy", YES="1")
    question = f"Deploy {plan.stage.stack_name}: {terminal.counted(change_set.changes)}?"
    with ExitStack() as otherwise:
        otherwise.callback(stack.withdraw, account.clients("cloudformation"), change_set)
        if wish.yes or terminal.ask(console, question, otherwise=again):
            otherwise.pop_all()
            return
    raise NotConfirmedError("Nothing was deployed.", plan.stage.make("deploy"))


def _send(account: Account, plan: Plan, console: Console) -> None:
    s3, stage = account.clients("s3"), plan.stage
    with console.status("uploading"):
        sent = [
            artifacts.send(s3, stage, function_key(plan.package), plan.package.zip),
            artifacts.send(s3, stage, function_key(plan.package.predictor), plan.package.predictor.path),
            artifacts.send(s3, stage, f"images/{plan.sources.tag}.zip", plan.sources.path),
        ]
    terminal.say(console, f"uploaded to {stage.artifact_bucket}" if any(sent) else "uploaded already")


def _protect(account: Account, stage: Stage, console: Console) -> None:
    """Before a stack has them: DynamoDB protects no table that was restored."""
    dynamodb = account.clients("dynamodb")
    for table in inventory.take(account.clients, stage).unprotected:
        removal.protect(dynamodb, table)
        terminal.say(console, f"{table} is protected again")


def _carry_out(
    account: Account, plan: Plan, change_set: stack.ChangeSet | None, console: Console
) -> states.Stack:
    stage = plan.stage
    if plan.before is None:
        machines.link_roles(account.clients)
    if change_set is None:
        if plan.before is None:
            raise FailedError("The template makes nothing.", "make package")
        terminal.say(console, "nothing to change: the stack is up to date")
        return plan.before
    if plan.before and plan.before.parameters.get("ImageTag") != plan.sources.tag:
        # Not before there is an image may a job be made to need it.
        _wait_for_images(account, plan, plan.before, console)
    after = _execute(account, stage, change_set, console)
    terminal.say(console, f"{stage.stack_name} is in {after.status}")
    return after


def _execute(account: Account, stage: Stage, change_set: stack.ChangeSet, console: Console) -> states.Stack:
    with terminal.stack_progress(console, stage.stack_name, len(change_set.changes)) as watch:
        return stack.carry_out(account.clients, stage, change_set, watch)


def _protect_new(account: Account, plan: Plan, made: states.Stack, console: Console) -> states.Stack:
    """As the stage asks for it, now that no failed creation can leave a protected table behind."""
    change_set = _propose(account, plan, plan.parameters, False, console)
    if change_set is None:
        return made
    after = _execute(account, plan.stage, change_set, console)
    terminal.say(console, "the tables refuse to be deleted from now on")
    return after


def _project(found: states.Stack) -> str | None:
    return found.outputs.get("ImageBuild")


def _wait_for_images(account: Account, plan: Plan, found: states.Stack, console: Console) -> None:
    build = _started(account, plan, found)
    if build is None:
        return
    with console.status("building the container images") as status:
        images.wait(
            account.clients("codebuild"),
            plan.stage,
            build,
            lambda phase: status.update(f"building the container images: {phase}"),
        )
    terminal.say(console, f"built the container images {plan.sources.tag}")


def _started(account: Account, plan: Plan, found: states.Stack) -> str | None:
    """The build of the images; None where they are built, or the stack builds none."""
    project = _project(found)
    if project is None or images.are_built(
        account.clients("ecr"), images.repositories(found), plan.sources.tag
    ):
        return None
    return images.start(
        account.clients("codebuild"),
        project,
        bucket=plan.stage.artifact_bucket,
        tag=plan.sources.tag,
        chosen=plan.chosen,
    )


def _build_images(account: Account, plan: Plan, after: states.Stack, console: Console) -> None:
    """Doesn't wait: the API works without. A training that is started before fails, and says so."""
    if _started(account, plan, after):
        minutes = Prices(None, plan.stage.region).assumed["buildMinutes"]
        terminal.say(
            console,
            f"CodeBuild builds the container images {plan.sources.tag}, in about {minutes:.0f} minutes;"
            f" {plan.stage.make('logs')} shows it. Trainings can run when it is done.",
            "[yellow]…[/]",
        )


def _reach(stage: Stage, after: states.Stack, wish: Wish, console: Console) -> str:
    url = after.outputs.get("ApiUrl")
    if url is None:
        raise FailedError(f"The stack {stage.stack_name} has no output ApiUrl.", stage.make("deploy"))
    with console.status(f"asking {url}"):
        title = smoke.check(stage, url.rstrip("/"), wish.smoke_seconds, after.outputs.get("DomainTarget", ""))
    terminal.say(console, f"{title} answers")
    console.print(f"\n[bold]{url}[/]", highlight=False, soft_wrap=True)
    return url
