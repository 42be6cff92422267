"""`python -m infra.deploy doctor|deploy|destroy|cost|logs --stage dev`."""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console
from rich.markup import escape

from . import destruction, doctor, logs, spend, terminal
from .account import Account, connect, translated
from .deployment import Wish, deploy
from .errors import DeployError, UsageError
from .parts import ROOT, Parts, real
from .stage import Stage, checked_name, make
from .version import of_checkout

_INTERRUPTED = 130
_SPAN = re.compile(r"(\d+)([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def main(arguments: Sequence[str] | None = None, *, parts: Parts | None = None) -> int:
    """Runs one command; the exit code is 0, 1 (it says why not), 2 (a wrong argument) or 130 (Ctrl-C).

    Args:
        arguments: those of the command line by default.
        parts: what is deployed; this checkout by default.
    """
    console, again = terminal.console_of(), "make help"
    try:
        options = _options(arguments)
        again = make(options.command, options.stage, options.region)
        checked_name(options.stage, options.region)
        with translated(again):
            account = connect(options.region, again)
            return _COMMANDS[options.command](account, options, parts or real(options.architecture), console)
    except DeployError as error:
        terminal.show_error(terminal.console_of(sys.stderr), error)
        return error.exit_code
    except KeyboardInterrupt:
        errors = terminal.console_of(sys.stderr)
        errors.print(
            "\n[yellow]Interrupted.[/] What AWS has begun, it ends; the next run goes on from there."
        )
        terminal.show_next(errors, again)
        return _INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """One whose errors are said as all others are."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}.", "make help")


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(prog="python -m infra.deploy", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument(
        "--stage", required=True, help="small letters and digits; infra/stages has its parameters"
    )
    parser.add_argument("--region", help="instead of AWS_REGION or the profile's")
    parser.add_argument(
        "--architecture", default="x86_64", choices=["x86_64", "arm64"], help="of the functions"
    )
    parser.add_argument("--yes", action="store_true", help="deploy: ask nothing")
    parser.add_argument("--downgrade", action="store_true", help="deploy: over a newer version too")
    parser.add_argument("--smoke-seconds", type=float, default=Wish().smoke_seconds, help=argparse.SUPPRESS)
    parser.add_argument("--confirm", default="", help="destroy: the stage's name, instead of asking for it")
    parser.add_argument("--purge", action="store_true", help="destroy: protected data too")
    parser.add_argument("--tag-seconds", type=float, default=60.0, help=argparse.SUPPRESS)
    parser.add_argument("--months", type=int, default=3, help="cost: how many, with this one")
    parser.add_argument("--since", default="10m", help="logs: how far back, such as 10m, 2h or 1d")
    parser.add_argument("--group", default="", help="logs: only groups with this in their name")
    parser.add_argument("--no-follow", action="store_true", help="logs: end with what is there")
    return parser.parse_args(arguments)


def _deploy(account: Account, options: argparse.Namespace, parts: Parts, console: Console) -> int:
    wish = Wish(yes=options.yes, downgrade=options.downgrade, smoke_seconds=options.smoke_seconds)
    deploy(account, options.stage, wish, parts, of_checkout(ROOT), console)
    return 0


def _destroy(account: Account, options: argparse.Namespace, parts: Parts, console: Console) -> int:
    destruction.destroy(
        account,
        options.stage,
        console,
        confirm=options.confirm,
        purge=options.purge,
        stages=parts.stages,
        tag_seconds=options.tag_seconds,
    )
    return 0


def _doctor(account: Account, options: argparse.Namespace, parts: Parts, console: Console) -> int:
    with console.status("packaging and looking"):
        found = list(doctor.examine(account, options.stage, parts, of_checkout(ROOT)))
    console.print(terminal.findings_table([(each.is_right, each.name, each.text) for each in found]))
    for each in found:
        if each.command:
            terminal.say(console, each.text, "[yellow]![/]" if each.is_right is None else "[red]✗[/]")
            terminal.show_next(console, each.command)
    return 1 if any(each.is_right is False for each in found) else 0


def _cost(account: Account, options: argparse.Namespace, _: Parts, console: Console) -> int:
    stage = account.stage(options.stage)
    explorer = account.clients("ce", spend.REGION)
    months = spend.by_service(explorer, stage, options.months, datetime.now(UTC).date())
    services = sorted({service for costs in months.values() for service in costs})
    rows = [
        [service, *(f"{costs.get(service, 0):,.2f}" for costs in months.values())] for service in services
    ]
    rows.append(["in all", *(f"{sum(costs.values()):,.2f}" for costs in months.values())])
    console.print(terminal.plain_table(f"USD of {stage.stack_name}", ["service", *months], rows))
    return 0


def _logs(account: Account, options: argparse.Namespace, _: Parts, console: Console) -> int:
    stage = account.stage(options.stage)
    since = int((time.time() - _span(stage, options.since)) * 1000)
    follow, client = not options.no_follow, account.clients("logs")
    if not logs.groups(client, stage, options.group):
        named = f" with {options.group!r} in their name" if options.group else ""
        raise UsageError(
            f"{stage.stack_name} has no logs{named} in {stage.region}.",
            stage.make("logs" if options.group else "deploy"),
        )
    for line in logs.tail(client, stage, since, words=options.group, follow=follow):
        at = datetime.fromtimestamp(line.at / 1000, UTC).strftime("%H:%M:%S")
        console.print(
            f"[dim]{at}[/] [cyan]{escape(line.source)}[/] {escape(line.text)}",
            highlight=False,
            soft_wrap=True,
        )
    return 0


def _span(stage: Stage, text: str) -> int:
    """Seconds of a span such as 10m."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no span of time; 10m, 2h and 1d are.", stage.make("logs", SINCE="10m"))
    return int(found[1]) * _SECONDS[found[2]]


_COMMANDS = {"deploy": _deploy, "destroy": _destroy, "doctor": _doctor, "cost": _cost, "logs": _logs}

if __name__ == "__main__":
    sys.exit(main())
