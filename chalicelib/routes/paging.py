"""Lists: `?limit&cursor` -> `{items, nextCursor}`. A cursor is the id of the last item seen."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field

from ..schemas.base import Page, Ulid
from .api import Query

M = TypeVar("M")

_Limit = Annotated[int, Field(ge=1, le=100)]

PAGING = {
    "limit": Query(_Limit, 50, "Items a page, 1 to 100."),
    "cursor": Query(Ulid, None, "nextCursor of the page before."),
}


def page(
    found: Sequence[Any], limit: int, item_id: Callable[[Any], str], shape: Callable[[Any], M]
) -> Page[M]:
    """A page from a list that was asked for with `limit`; a full page may have more after it."""
    cursor = item_id(found[-1]) if len(found) == limit else None
    return Page(items=[shape(each) for each in found], next_cursor=cursor)
