"""What goes where: data on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any


def emit(value: Any, as_json: bool, show: Callable[[], None]) -> None:
    """Prints a result: as one JSON document, or as people read it."""
    if as_json:
        from ..models import encode

        print(json.dumps(encode(value), indent=2, ensure_ascii=False))
    else:
        show()


def say(text: str) -> None:
    """Tells a person something that is no data."""
    print(clean(text), file=sys.stderr, flush=True)


def line(text: str = "") -> None:
    print(clean(text))


def facts(pairs: Iterable[tuple[str, object]]) -> None:
    """Prints names and values below one another; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        line(f"{name:{width}}  {value}")


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints aligned columns; nothing is cut off, since it may be read by a program."""
    cells = [list(header), *([clean("-" if each is None else str(each)) for each in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    right = [_is_number(cells[1:], n) for n in range(len(header))]
    for row in cells:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        print("  ".join(padded).rstrip())


def _is_number(rows: Sequence[Sequence[str]], column: int) -> bool:
    return bool(rows) and all(row[column].replace(".", "").replace(",", "").isdigit() for row in rows)


def clean(text: str) -> str:
    """Text without what moves a terminal's cursor: names of files and classes may have anything in them."""
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text
    )


def size(count: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def percent(fraction: float | None) -> str | None:
    return None if fraction is None else f"{100 * fraction:.1f} %"


def figure(number: float | None) -> str | None:
    return None if number is None else f"{number:.4f}"
