"""What a person sees: tables, progress, questions."""

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from .costs import Item, TrainingHour
from .errors import DeployError, NotConfirmedError

#: Of a group of new resources this many are named, the others counted.
_NAMED = 4
_COLOURS = {"Add": "green", "Modify": "yellow", "Remove": "red", "Import": "cyan", "Dynamic": "yellow"}


def show_error(console: Console, error: DeployError) -> None:
    console.print(f"[bold red]✗[/] {escape(error.sentence)}", highlight=False)
    show_next(console, error.command)


def show_next(console: Console, command: str, what_for: str = "To go on:") -> None:
    """A command to be typed: on a line of its own, so that it can be copied."""
    console.print(f"  {what_for}", highlight=False)
    console.print(f"    [bold]{escape(command)}[/]", highlight=False, soft_wrap=True)


def say(console: Console, text: str, mark: str = "[green]✓[/]") -> None:
    console.print(f"{mark} {escape(text)}", highlight=False)


def changes_table(changes: Sequence[Mapping[str, Any]]) -> Table:
    """What a change set does: new resources by their type, all others one by one."""
    table = _table("what changes", "", "resource type", "name", "replaced")
    groups: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for change in changes:
        replaced = {"True": "yes", "Conditional": "perhaps"}.get(change.get("Replacement", ""), "")
        action = change["Action"]
        single = change["LogicalResourceId"] if action != "Add" else ""
        groups[action, change["ResourceType"], f"{replaced}|{single}"].append(change["LogicalResourceId"])
    for (action, kind, rest), names in sorted(groups.items()):
        colour, replaced = _COLOURS.get(action, "white"), rest.partition("|")[0]
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if names[_NAMED:] else "")
        table.add_row(
            f"[{colour}]{action.lower()}[/]", kind.removeprefix("AWS::"), shown, f"[bold red]{replaced}[/]"
        )
    return table


def counted(changes: Sequence[Mapping[str, Any]]) -> str:
    """The changes in a line."""
    words = {"Add": "new", "Modify": "changed", "Remove": "removed"}
    found = Counter(words.get(each["Action"], each["Action"].lower()) for each in changes)
    return ", ".join(f"{count} {word}" for word, count in sorted(found.items())) or "nothing"


def idle_table(items: Sequence[Item], prices_from: str) -> Table:
    table = _table(
        f"an idle month, before free tiers ({prices_from})", "what", "how much", "each", "USD a month"
    )
    for item in items:
        table.add_row(item.what, f"{item.count:,.0f}", _usd(item.price.usd), f"{item.usd:,.2f}")
    table.add_section()
    table.add_row("[bold]in all[/]", "", "", f"[bold]{sum(each.usd for each in items):,.2f}[/]")
    return table


def hours_table(hours: Sequence[TrainingHour]) -> Table:
    table = _table("an hour of training, with disk and address, in USD", "machine", "Spot", "on demand")
    for hour in hours:
        table.add_row(hour.kind, *(f"{each:.2f}" if each else "?" for each in (hour.spot, hour.on_demand)))
    return table


def _usd(amount: float) -> str:
    return f"{amount:,.2f}" if amount >= 0.01 else f"{amount:.10f}".rstrip("0")


def findings_table(rows: Sequence[tuple[bool | None, str, str]]) -> Table:
    """Rows of a check: right, wrong or (None) to be known; its name; what was found."""
    marks = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]![/]"}
    table = _table(None, "", "", "")
    table.show_header = False
    for is_right, name, text in rows:
        table.add_row(marks[is_right], name, escape(text))
    return table


def plain_table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = _table(title, *columns)
    for row in rows:
        table.add_row(*(escape(each) for each in row))
    return table


def _table(title: str | None, *columns: str) -> Table:
    # As wide as the title at least, which would be broken otherwise.
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", min_width=len(title or ""))
    for index, column in enumerate(columns):
        numbers = column in ("how much", "each", "Spot", "on demand") or column.startswith("USD")
        table.add_column(column, justify="right" if numbers and index else "left")
    return table


def ask(console: Console, question: str, *, otherwise: str) -> bool:
    """Yes or no; only y and yes are a yes.

    Args:
        otherwise: the command that needs no question, for where nobody can be asked.

    Raises:
        NotConfirmedError: there is nobody to ask.
    """
    return _answer(console, f"{question} \\[y/N]", otherwise).lower() in ("y", "yes")


def ask_for(console: Console, question: str, *, otherwise: str) -> str:
    """What a person types.

    Raises:
        NotConfirmedError: there is nobody to ask.
    """
    return _answer(console, question, otherwise)


def _answer(console: Console, question: str, otherwise: str) -> str:
    try:
        return console.input(f"[bold]{question}[/] ").strip()
    except EOFError as error:
        raise NotConfirmedError(
            "Nobody is there to answer: standard input is at its end.", otherwise
        ) from error


@contextmanager
def stack_progress(console: Console, title: str, total: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Shows the events of a stack while something is done to it: a bar on a terminal, lines elsewhere."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    task, done = bar.add_task(title, total=total or None, now=""), set[str]()

    def watch(event: Mapping[str, Any]) -> None:
        name, status = event["LogicalResourceId"], event["ResourceStatus"]
        if status.endswith("_FAILED"):
            reason = event.get("ResourceStatusReason", "")
            console.print(f"[red]{status.lower()}[/] {name}: {escape(reason)}", highlight=False)
        elif status.endswith("_COMPLETE") and event.get("PhysicalResourceId") != event["StackId"]:
            done.add(name)
            if not console.is_terminal:
                console.print(f"  {status.lower()} {name}", highlight=False)
        bar.update(task, completed=len(done), now=f"{status.lower()} {name}")

    with bar:
        yield watch


def console_of(stream: Any = None) -> Console:
    """A console that keeps whole lines where it is not a terminal: a log is searched, not looked at."""
    stream = stream or sys.stdout
    return Console(file=stream) if stream.isatty() else Console(file=stream, width=160)
