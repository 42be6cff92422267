"""What every model of the API has in common."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from ..contract.ids import PATTERN

T = TypeVar("T")
Ulid = Annotated[str, Field(pattern=f"^{PATTERN}$")]


def omitted() -> Any:
    """A member that is left out, not null, where it has no value."""
    return Field(default=None, exclude_if=lambda value: value is None)


#: A model's validator is built when it is first used: a cold start builds those of its one request.
#: What was sent stays out of its errors, which may be logged: it may be a password.
_LAZY = ConfigDict(alias_generator=to_camel, frozen=True, defer_build=True, hide_input_in_errors=True)


class Request(BaseModel):
    """A body that comes in: camelCase, no unknown members, no silent conversions ("5" is no number)."""

    model_config = ConfigDict(**_LAZY, extra="forbid", strict=True)


class Answer(BaseModel):
    """A body that goes out. A member without a value is null, unless it is `omitted()`."""

    model_config = ConfigDict(**_LAZY, populate_by_name=True)


class Page(Answer, Generic[T]):
    """A page of a list; with `nextCursor` there is more."""

    items: list[T]
    next_cursor: str | None = None


class FieldProblem(Answer):
    pointer: str
    message: str


class Problem(Answer):
    """An error as RFC 9457 has it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    hint: str | None = None
    errors: list[FieldProblem] | None = None


Json = dict[str, Any]
