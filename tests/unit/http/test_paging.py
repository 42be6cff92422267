"""Pages that fit into an answer."""

from chalicelib.routes.paging import MAX_PAGE_BYTES, fitting
from chalicelib.schemas.labels import LabelAnswer
from tests.support import NOW


def _labels(count: int, boxes: int) -> list[LabelAnswer]:
    label = [{"label": "x" * 90, "box": [1.0, 2.0, 3.0, 4.0]}] * boxes
    return [LabelAnswer(image_id=str(n), label=label, updated_at=NOW) for n in range(count)]


def test_a_page_ends_sooner_where_its_items_are_long():
    """A hundred labels of thousands of boxes are cut where Lambda's answer ends; the cursor goes on there."""
    items = _labels(100, 3000)
    page = fitting(items, "100", lambda each: each.image_id)
    assert 1 < len(page.items) < 100
    assert len(page.model_dump_json(by_alias=True)) < MAX_PAGE_BYTES + 1000
    assert page.next_cursor == page.items[-1].image_id


def test_a_page_of_short_items_stays_whole():
    """What fits is answered with the cursor that it came with."""
    page = fitting(_labels(3, 1), "7", lambda each: each.image_id)
    assert (len(page.items), page.next_cursor) == (3, "7")


def test_a_page_has_an_item_at_least():
    """One item that is too long by itself is still given, so that the list goes on."""
    page = fitting(_labels(2, 60_000), None, lambda each: each.image_id)
    assert (len(page.items), page.next_cursor) == (1, "0")
