"""From the API's camelCase JSON to dataclasses, and back."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, dataclass_transform, get_args, get_origin, get_type_hints

from ..errors import UnexpectedAnswerError

T = TypeVar("T")

#: The name of each schema of the OpenAPI document that has a model here.
MODELS: dict[str, type] = {}


def named(json_name: str) -> Any:
    """A field whose name in JSON is no name in Python."""
    return field(metadata={"json": json_name})


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field, named))
def model(schema: str) -> Callable[[type[T]], type[T]]:
    """A frozen dataclass for a schema of the OpenAPI document, which a test compares it with."""

    def declare(declared: type[T]) -> type[T]:
        made = dataclass(frozen=True, kw_only=True)(declared)
        MODELS[schema] = made
        return made

    return declare


def json_name(each: "Field[Any]") -> str:
    """A field's name in the API."""
    first, *rest = each.name.split("_")
    return str(each.metadata.get("json") or first + "".join(part.capitalize() for part in rest))


def decode(kind: type[T], document: Any) -> T:
    """The dataclass that a JSON document is.

    Members that it doesn't know are passed over: the server may be newer.

    Raises:
        UnexpectedAnswerError: a member is missing, or of another type.
    """
    decoded: T = _decode(kind, document, kind.__name__)
    return decoded


def encode(value: Any) -> Any:
    """The JSON of a model, as the API writes it; members without a value are null."""
    if is_dataclass(value):
        return {json_name(each): encode(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, dict):
        return {name: encode(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    return value


@cache
def _members(kind: type) -> list[tuple[str, str, Any, bool]]:
    """(name, JSON name, type, whether it may be left out) of each field."""
    hints = get_type_hints(kind)
    return [
        (each.name, json_name(each), hints[each.name], each.default is not MISSING) for each in fields(kind)
    ]


def _decode(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _object(kind, value, where)
    match get_origin(kind):
        case origin if origin in (Union, UnionType):
            return _union(get_args(kind), value, where)
        case origin if origin is list and isinstance(value, list):
            [item] = get_args(kind)
            return [_decode(item, each, f"{where}[]") for each in value]
        case origin if origin is dict and isinstance(value, dict):
            item = get_args(kind)[1]
            return {name: _decode(item, each, f"{where}.{name}") for name, each in value.items()}
    return _plain(kind, value, where)


def _object(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise _unexpected(where, "an object", value)
    return kind(**dict(_fields_of(kind, value, where)))


def _fields_of(kind: type, value: dict[str, Any], where: str) -> Iterator[tuple[str, Any]]:
    for name, in_json, hint, is_optional in _members(kind):
        if in_json in value:
            yield name, _decode(hint, value[in_json], f"{where}.{in_json}")
        elif not is_optional:
            raise _unexpected(f"{where}.{in_json}", "a value", None)


def _union(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and NoneType in kinds:
        return None
    known = [each for each in kinds if each is not NoneType]
    if len(known) == 1:
        return _decode(known[0], value, where)
    wanted = next((each for each in known if isinstance(value, get_origin(each) or each)), known[0])
    return _decode(wanted, value, where)


def _plain(kind: Any, value: Any, where: str) -> Any:
    if kind is Any or (get_origin(kind) is not None and not isinstance(value, list | dict | None)):
        return value  # a Literal: a newer server may have more words than this client knows
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(kind, type) or not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _unexpected(where, getattr(kind, "__name__", str(kind)), value)
    return value


def _unexpected(where: str, wanted: str, value: Any) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"the server's answer has {type(value).__name__} in {where}, where {wanted} was expected",
        hint="Is it a Darkroom of the same version? `darkroom doctor` compares them.",
    )
