"""Lists: `?limit&cursor` -> `{items, nextCursor}`. A cursor is the id of the last item seen."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import Field

from ..schemas.base import Answer, Page, Ulid
from .api import Query

M = TypeVar("M")
A = TypeVar("A", bound=Answer)

_Limit = Annotated[int, Field(ge=1, le=100)]

PAGING = {
    "limit": Query(_Limit, 50, "Items a page, 1 to 100."),
    "cursor": Query(Ulid, None, "nextCursor of the page before."),
}


#: What an answer of Lambda (6 MB) has room for.
MAX_PAGE_BYTES = 5_000_000


def fitting(items: Sequence[A], after: str | None, item_id: Callable[[A], str]) -> Page[A]:
    """A page that ends at the id `after`, or sooner where its items are too long for one answer."""
    room = MAX_PAGE_BYTES
    for index, each in enumerate(items):
        room -= len(each.model_dump_json(by_alias=True).encode())
        if room < 0 and index:
            return Page(items=list(items[:index]), next_cursor=item_id(items[index - 1]))
    return Page(items=list(items), next_cursor=after)


def page(
    found: Sequence[Any], limit: int, item_id: Callable[[Any], str], shape: Callable[[Any], M]
) -> Page[M]:
    """A page from a list that was asked for with `limit`; a full page may have more after it."""
    cursor = item_id(found[-1]) if len(found) == limit else None
    return Page(items=[shape(each) for each in found], next_cursor=cursor)
