"""API keys."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import AfterValidator, Field

from ..contract.records import ApiKey, Scope
from ..services.api_keys import MARK
from ..services.times import parse
from . import patterns
from .base import Answer, Request, omitted


def _real(text: str) -> str:
    """The pattern lets the 31st of February through."""
    try:
        parse(text)
    except ValueError as error:
        raise ValueError("no such moment") from error
    return text


Moment = Annotated[
    str,
    Field(
        pattern=patterns.TIME,
        json_schema_extra={"format": "date-time"},
    ),
    AfterValidator(_real),
]


class KeyCreate(Request):
    """Without `expiresAt` the key works until it is revoked."""

    name: Annotated[str, Field(max_length=100, pattern=patterns.VISIBLE)]
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=3)]
    expires_at: Moment | None = None

    @property
    def until(self) -> datetime | None:
        return parse(self.expires_at) if self.expires_at else None


class KeyAnswer(Answer):
    key_id: str
    name: str
    scopes: list[Scope]
    prefix: Annotated[str, Field(description="How the key begins, so that it is known where it turns up.")]
    created_at: str
    expires_at: str | None
    last_used_at: Annotated[str | None, Field(description="To within five minutes.")]
    key: Annotated[str | None, Field(description="The key itself: in this answer, and never again.")] = (
        omitted()
    )

    @classmethod
    def of(cls, kept: ApiKey, key: str | None = None) -> Self:
        return cls(
            key_id=kept.key_id,
            name=kept.name,
            scopes=list(kept.scopes),
            prefix=MARK + kept.key_id,
            created_at=kept.created_at,
            expires_at=kept.expires_at,
            last_used_at=kept.last_used_at,
            key=key,
        )
