"""Between Python values, records and DynamoDB's typed attribute values.

Numbers come back as `int` or `float`, never `Decimal`: a float is written with `repr`, which
round-trips, within DynamoDB's 38 digits.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from enum import EnumType
from functools import cache
from typing import Any, TypeVar

from .naming import pascal

Item = dict[str, dict[str, Any]]
R = TypeVar("R")

#: DynamoDB refuses numbers of a smaller magnitude; none of ours is that small but by malice.
_SMALLEST = 1e-130


def marshal_value(value: Any) -> dict[str, Any]:
    """One Python value as a DynamoDB attribute value.

    Raises:
        ValueError: a float that is not finite; DynamoDB has no such number.
        TypeError: a type that DynamoDB cannot hold.
    """
    if type(value) is str:  # most are, and a match tries its cases in turn
        return {"S": value}
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": str(value)}  # a StrEnum as its plain text
        case int():
            return {"N": str(value)}
        case float():
            if not math.isfinite(value):
                raise ValueError(f"DynamoDB cannot hold {value}")
            return {"N": repr(value if abs(value) >= _SMALLEST else 0.0)}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [marshal_value(each) for each in value]}
        case set() | frozenset():
            return {"SS": sorted(value)}
        case Mapping():
            return {"M": {str(key): marshal_value(each) for key, each in value.items()}}
    raise TypeError(f"DynamoDB cannot hold a {type(value).__name__}")


def unmarshal_value(attribute: Mapping[str, Any]) -> Any:
    """The inverse of `marshal_value`."""
    if "S" in attribute:
        return attribute["S"]
    [(kind, value)] = attribute.items()
    match kind:
        case "NULL":
            return None
        case "N":
            return int(value) if value.lstrip("-").isdigit() else float(value)
        case "L":
            return [unmarshal_value(each) for each in value]
        case "M":
            return {key: unmarshal_value(each) for key, each in value.items()}
        case "SS":
            return set(value)
    return value  # S, BOOL and B are what they are


def marshal(values: Mapping[str, Any]) -> Item:
    """A mapping of attribute names to values as a DynamoDB item; `None` is left out."""
    return {name: marshal_value(value) for name, value in values.items() if value is not None}


def unmarshal(item: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The inverse of `marshal`."""
    return {name: unmarshal_value(value) for name, value in item.items()}


def attribute_name(field: Field[Any]) -> str:
    """The DynamoDB attribute that a record's field is kept in."""
    return str(field.metadata.get("attribute") or pascal(field.name))


def to_item(record: Any) -> Item:
    """A record (see `records`) as a DynamoDB item; fields that are `None` are left out."""
    plan = _plan(type(record))  # type: ignore[arg-type]  # mypy takes a class for unhashable
    return marshal({name: getattr(record, field) for name, (field, _) in plan.items()})


def from_item(kind: type[R], item: Mapping[str, Mapping[str, Any]]) -> R:
    """A DynamoDB item as a record; attributes that the record doesn't name are passed over."""
    plan, values = _plan(kind), {}  # type: ignore[arg-type]
    for name, attribute in item.items():
        if name in plan:
            field, enum = plan[name]
            value = unmarshal_value(attribute)
            values[field] = enum(value) if enum else value
    return kind(**values)


@cache
def _plan(kind: type) -> dict[str, tuple[str, Callable[[Any], Any] | None]]:
    """Attribute -> (field, its enumeration if it is one) of a class; worked out once, not once a row."""
    return {
        attribute_name(each): (each.name, each.type if isinstance(each.type, EnumType) else None)
        for each in fields(kind)
    }
