"""Showing images, and exporting labels."""

import pytest

from chalicelib.contract.errors import NotFoundError
from chalicelib.contract.ids import LAST
from chalicelib.contract.records import ImageStatus
from chalicelib.services.filters import Filter
from tests.support import make_image, new_id
from tests.unit.services.data_world import PROJECT, DataWorld, image_id


@pytest.fixture
def world() -> DataWorld:
    return DataWorld()


def test_the_gallery_shows_labels_and_signed_urls(world):
    """An accepted image has its label and two URLs; a refused one has neither."""
    world.image(1, "cat")
    refused = make_image(PROJECT, image_id=image_id(2), status=ImageStatus.REJECTED, sha256=None)
    world.ports.images.record(refused)
    shown = world.services.gallery.get(PROJECT, image_id(1))
    assert shown.label == "cat"
    assert image_id(1) in shown.url
    assert "thumbnails" in shown.thumbnail_url
    [first, second], cursor = world.services.gallery.list(PROJECT, 10, None, Filter())
    assert (first, cursor) == (shown, None)
    assert (second.url, second.label) == (None, None)
    assert world.services.gallery.list("empty", 10, None, Filter()) == ([], None)


@pytest.mark.parametrize("unknown", ["", "x" * 3000, "sha256#00", new_id()])
def test_an_unknown_image_is_not_there(world, unknown):
    """Unknown ids, and text that is no id, are 404 to show and to delete."""
    for call in (world.services.gallery.get, world.services.deletion.one):
        with pytest.raises(NotFoundError):
            call(PROJECT, unknown)


def test_the_export_has_names_in_pages(world):
    """Every label comes once, with its image's name, page by page; one without an image is nobody's."""
    for number in range(6):
        if number == 3:
            world.label(number, "ghost")
        else:
            world.image(number, "cat", file_name=f"{number}.png")
    names, cursor = [], None
    while True:
        page, cursor = world.services.gallery.export(PROJECT, 2, cursor)
        names += [each.file_name for each in page]
        if cursor is None:
            break
    assert names == ["0.png", "1.png", "2.png", "4.png", "5.png"]
    assert world.services.gallery.export(PROJECT, 2, LAST) == ([], None)
