"""DynamoDB's expressions, as far as Darkroom writes them.

A condition becomes a predicate and an update a change of an item, both in DynamoDB's typed form.
Source of the grammar: Amazon DynamoDB Developer Guide, "Expressions".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

Item = dict[str, Any]
Attribute = Mapping[str, Any]
Operand = Callable[[Item], Attribute | None]
Predicate = Callable[[Item], bool]

_TOKEN = re.compile(r"[#:]?\w+|<>|<=|>=|[=<>(),.+-]")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_CLAUSES = ("SET", "REMOVE", "ADD", "DELETE")


def predicate(expression: str, names: Mapping[str, str], values: Mapping[str, Attribute]) -> Predicate:
    """A condition as a function of an item; an item that isn't there is {}.

    Raises:
        ValueError: it isn't one, or has something after its end.
    """
    parser = _Parser(expression, names, values)
    found = parser.disjunction()
    parser.end()
    return found


def apply(expression: str, names: Mapping[str, str], values: Mapping[str, Attribute], item: Item) -> Item:
    """The item after an update.

    Raises:
        ValueError: the expression isn't one.
    """
    parser, changed = _Parser(expression, names, values), dict(item)
    while parser.more():
        clause = parser.take(*_CLAUSES)
        parser.change(clause, item, changed)
        while parser.accept(","):
            parser.change(clause, item, changed)
    return changed


def path_of(text: str, names: Mapping[str, str]) -> list[str]:
    """`#A.#b` as the names of its steps."""
    return [names.get(each, each) for each in text.split(".")]


def comparable(attribute: Attribute) -> tuple[str, Any]:
    """A value that compares equal, and for scalars sorts, as DynamoDB has it."""
    [(kind, value)] = attribute.items()
    if kind == "N":
        return kind, Decimal(value)
    return kind, sorted(value) if kind in ("SS", "NS", "BS") else value


class _Parser:
    def __init__(self, expression: str, names: Mapping[str, str], values: Mapping[str, Attribute]) -> None:
        self._tokens = _TOKEN.findall(expression)
        if "".join(self._tokens) != "".join(expression.split()):
            raise ValueError(f"cannot read {expression!r}")
        self._names, self._values, self._at = names, values, 0

    def more(self) -> bool:
        return self._at < len(self._tokens)

    def end(self) -> None:
        if self.more():
            raise ValueError(f"{self._tokens[self._at]!r} after the end of the expression")

    def accept(self, *tokens: str) -> str | None:
        token = self._tokens[self._at] if self.more() else ""
        if token.upper() not in tokens:
            return None
        self._at += 1
        return token.upper()

    def take(self, *tokens: str) -> str:
        found = self.accept(*tokens)
        if found is None:
            raise ValueError(f"expected one of {tokens} at {self._tokens[self._at :]}")
        return found

    def disjunction(self) -> Predicate:
        parts = [self._conjunction()]
        while self.accept("OR"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else lambda item: any(each(item) for each in parts)

    def _conjunction(self) -> Predicate:
        parts = [self._negation()]
        while self.accept("AND"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else lambda item: all(each(item) for each in parts)

    def _negation(self) -> Predicate:
        if self.accept("NOT"):
            inner = self._negation()
            return lambda item: not inner(item)
        if self.accept("("):
            inner = self.disjunction()
            self.take(")")
            return inner
        return self._function() or self._comparison()

    def _function(self) -> Predicate | None:
        name = self.accept("ATTRIBUTE_EXISTS", "ATTRIBUTE_NOT_EXISTS", "BEGINS_WITH", "CONTAINS")
        if name is None:
            return None
        self.take("(")
        first = self._operand()
        second = self._operand() if self.accept(",") else first
        self.take(")")
        match name:
            case "ATTRIBUTE_EXISTS":
                return lambda item: first(item) is not None
            case "ATTRIBUTE_NOT_EXISTS":
                return lambda item: first(item) is None
            case "BEGINS_WITH":
                return lambda item: _text(first(item)).startswith(_text(second(item)))
        return lambda item: _contains(first(item), second(item))

    def _comparison(self) -> Predicate:
        left = self._operand()
        if self.accept("BETWEEN"):
            low = self._operand()
            self.take("AND")
            high = self._operand()
            return lambda item: (
                _compare("<=", low(item), left(item)) and _compare("<=", left(item), high(item))
            )
        if self.accept("IN"):
            self.take("(")
            choices = [self._operand()]
            while self.accept(","):
                choices.append(self._operand())
            self.take(")")
            return lambda item: any(_compare("=", left(item), each(item)) for each in choices)
        sign = self.take(*_COMPARISONS)
        right = self._operand()
        return lambda item: _compare(sign, left(item), right(item))

    def _operand(self) -> Operand:
        token = self._tokens[self._at]
        if token.startswith(":"):
            self._at += 1
            value = self._values[token]
            return lambda _: value
        if self.accept("SIZE"):
            self.take("(")
            measured = self._operand()
            self.take(")")
            return lambda item: _size(measured(item))
        path = list(self._path())
        return lambda item: find(item, path)

    def _path(self) -> Iterator[str]:
        while True:
            token = self._tokens[self._at]
            self._at += 1
            yield self._names[token] if token.startswith("#") else token
            if not self.accept("."):
                return

    def change(self, clause: str, item: Item, changed: Item) -> None:
        """Carries out one change of a clause; only top-level attributes are changed."""
        [name] = self._path()
        match clause:
            case "SET":
                self.take("=")
                changed[name] = self._sum(item)
            case "REMOVE":
                changed.pop(name, None)
            case "ADD":
                changed[name] = _added(item.get(name), self._operand()(item))
            case "DELETE":
                raise ValueError("DELETE of set elements isn't simulated")

    def _sum(self, item: Item) -> Attribute:
        total = self._value(item)
        while sign := self.accept("+", "-"):
            amount = Decimal(self._value(item)["N"])
            total = {"N": str(Decimal(total["N"]) + (amount if sign == "+" else -amount))}
        return total

    def _value(self, item: Item) -> Attribute:
        if self.accept("IF_NOT_EXISTS"):
            self.take("(")
            own = self._operand()(item)
            self.take(",")
            default = self._operand()(item)
            self.take(")")
            found = default if own is None else own
        else:
            found = self._operand()(item)
        if found is None:
            raise ValueError("an update reads an attribute that isn't there")
        return found


def find(item: Item, path: list[str]) -> Attribute | None:
    """The attribute at a path; None where there is none."""
    found = item.get(path[0])
    for step in path[1:]:
        found = found["M"].get(step) if found and "M" in found else None
    return found


def _compare(sign: str, left: Attribute | None, right: Attribute | None) -> bool:
    if left is None or right is None:
        return sign == "<>"
    a, b = comparable(left), comparable(right)
    if a[0] != b[0]:
        return sign == "<>"
    return _COMPARISONS[sign](a[1], b[1])


def _size(attribute: Attribute | None) -> Attribute | None:
    """The number of elements, of bytes or, as here, of characters that were written in ASCII."""
    return {"N": str(len(next(iter(attribute.values()))))} if attribute else None


def _text(attribute: Attribute | None) -> str:
    return str(attribute["S"]) if attribute and "S" in attribute else "\0"


def _contains(whole: Attribute | None, part: Attribute | None) -> bool:
    if whole is None or part is None:
        return False
    [(kind, value)] = whole.items()
    return part in value if kind == "L" else next(iter(part.values())) in value


def _added(old: Attribute | None, amount: Attribute | None) -> Attribute:
    [(kind, value)] = (amount or {}).items()
    if old is None:
        return {kind: value}
    if kind == "N":
        return {"N": str(Decimal(old["N"]) + Decimal(value))}
    return {kind: sorted({*old[kind], *value})}
