"""Files in the body of a request."""

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import RejectedImageError
from chalicelib.contract.objects import image_key, thumbnail_key
from chalicelib.contract.records import ImageStatus
from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from chalicelib.services.names import class_name_problem, file_name
from chalicelib.services.uploads import SentFile
from tests.fakes import FakeImages, FakeLabels, FakeStore, fake_ports
from tests.support import new_id


@pytest.fixture
def ports():
    return fake_ports()


def _store(ports, *files: tuple[str | None, bytes]):
    sent = [SentFile(name, content) for name, content in files]
    return assemble(ports).direct_uploads.store("P", sent)


def _short(outcome) -> str:
    return outcome.error.code if outcome.error else str(outcome.image.status)


def test_outcomes_stand_in_the_order_of_the_files(ports):
    """A hundred files have a hundred outcomes, each under its own name."""
    names = [f"{number}.png" for number in range(100)]
    outcomes = _store(ports, *((name, b"image " + name.encode()) for name in names))
    assert [each.file_name for each in outcomes] == names
    assert {_short(each) for each in outcomes} == {"accepted"}


def test_a_bad_file_never_stops_the_others(ports):
    """Each refusal has its code, and the good files beside it are stored."""
    outcomes = _store(
        ports,
        ("a.png", b"image a"),
        ("empty.png", b""),
        ("text.jpg", b"text"),
        ("../../etc/passwd", b"image b"),
        (None, b"image c"),
        ("z.png", b"image z"),
    )
    assert [_short(each) for each in outcomes] == [
        "accepted", "empty-file", "unsupported-format", "file-name-unsafe", "file-name-missing", "accepted",
    ]  # fmt: skip
    assert len(list(ports.images.known("P"))) == 2


def test_copies_within_one_request_are_duplicates_of_the_first(ports):
    """Of three files with the same bytes the first is the image, and knows the others' names."""
    outcomes = _store(ports, ("a.png", b"image"), ("b.png", b"image"), ("c.png", b"image"))
    first = outcomes[0].image
    assert [_short(each) for each in outcomes] == ["accepted", "duplicate", "duplicate"]
    assert {each.image.duplicate_of for each in outcomes[1:]} == {first.image_id}
    assert ports.images.get("P", first.image_id).aliases == {"b.png", "c.png"}


def test_copies_of_a_bad_file_are_all_refused(ports):
    """Each copy of a file that is no image is refused, and none is a duplicate."""
    outcomes = _store(ports, ("a.jpg", b"text"), ("b.jpg", b"text"))
    assert [_short(each) for each in outcomes] == ["unsupported-format"] * 2


def test_sending_again_stores_nothing_new(ports):
    """The same request again answers `duplicate`, and leaves no further object or row."""
    _store(ports, ("a.png", b"image"))
    before = dict(ports.store.objects)
    [outcome] = _store(ports, ("a.png", b"image"))
    assert _short(outcome) == "duplicate"
    assert ports.store.objects == before
    assert len(ports.images.rows) == 1


def test_an_image_is_kept_with_its_figures(ports):
    """The row has the name, size, hash and type, and both objects are in the store."""
    [outcome] = _store(ports, ("é.png", b"image"))
    image = ports.images.get("P", outcome.image.image_id)
    assert image == outcome.image
    assert (image.file_name, image.size_bytes, image.width, image.height) == ("é.png", 5, 8, 6)
    assert image.file_path == image_key("P", image.image_id)
    assert ports.store.objects.keys() == {image.file_path, thumbnail_key("P", image.image_id)}


def test_a_file_over_50_mb_is_refused(ports):
    """One byte over the limit is refused, unread."""
    [outcome] = _store(ports, ("a.png", b"i" * (MAX_IMAGE_BYTES + 1)))
    assert _short(outcome) == "file-too-large"


def test_who_loses_the_race_for_the_same_bytes_leaves_no_objects():
    """A file whose bytes another request takes meanwhile is a duplicate, and its objects are removed."""
    images, store = _Racing(FakeLabels()), FakeStore()
    ports = fake_ports(images=images, store=store)
    [outcome] = _store(ports, ("a.png", b"image"))
    assert outcome.image.status == ImageStatus.DUPLICATE
    assert outcome.image.duplicate_of == images.winner
    assert store.objects == {}
    assert images.get("P", images.winner).aliases == {"a.png"}


class _Racing(FakeImages):
    """Another request always takes the bytes a moment earlier."""

    winner = new_id()

    def accept(self, image):
        other = dict.fromkeys(("image_id",), self.winner)
        super().accept(type(image)(**{**_fields(image), **other, "file_name": "first.png"}))
        return super().accept(image)


def _fields(image) -> dict:
    return {name: getattr(image, name) for name in type(image).__slots__}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (None, "file-name-missing"),
        ("", "file-name-missing"),
        ("  ", "file-name-missing"),
        ("a" * 256, "file-name-too-long"),
        ("é" * 128, "file-name-too-long"),
        ("/etc/passwd", "file-name-unsafe"),
        ("\\windows", "file-name-unsafe"),
        ("a/../b", "file-name-unsafe"),
        ("..", "file-name-unsafe"),
        ("a\\..\\b", "file-name-unsafe"),
        ("a\x00.png", "file-name-unsafe"),
        ("a\n.png", "file-name-unsafe"),
        ("a\ud800.png", "file-name-unsafe"),
    ],
)
def test_bad_file_names_have_a_code_each(raw, code):
    """Missing, over-long and unsafe names are told apart."""
    with pytest.raises(RejectedImageError) as refused:
        file_name(raw)
    assert refused.value.code == code


@pytest.mark.parametrize("raw", ["a.png", "sub/a.png", "a..b", "…", "é + % .png", "a" * 255, "日本.jpg"])
def test_good_file_names_are_kept(raw):
    """Spaces, signs, folders and foreign letters are no reason to refuse a name."""
    assert file_name(raw) == raw


def test_names_are_composed():
    """A name typed on macOS, decomposed, is the same as the composed one."""
    assert file_name("e\u0301.png") == "\u00e9.png"


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\x00", "a\nb", "\ud800"])
def test_bad_class_names_are_explained(name):
    """Empty, over-long and unprintable classes have a reason; others have none."""
    assert class_name_problem(name)
    assert class_name_problem("a" * 100) is None
