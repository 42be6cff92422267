"""Files in the body of a request."""

from contextlib import suppress
from dataclasses import replace
from itertools import count

import pytest

from chalicelib.bootstrap import assemble
from chalicelib.contract.errors import RejectedImageError, UnprocessableError
from chalicelib.contract.objects import image_key, thumbnail_key
from chalicelib.contract.records import ImageStatus
from chalicelib.services.acceptance import MAX_IMAGE_BYTES
from chalicelib.services.direct_uploads import SentFile
from chalicelib.services.names import class_name_problem, file_name
from tests.fakes import FakeImages, FakeLabels, FakeStore, fake_ports
from tests.support import Crash, Crashes, new_id


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


RETRIED = [("a.png", b"image a"), ("b.png", b"image b"), ("c.png", b"image a"), ("d.txt", b"text")]


def _send(ports, files=RETRIED, key="key", project_id: str = "P"):
    return assemble(ports).direct_uploads.store(project_id, [SentFile(*each) for each in files], key)


def _answers(outcomes) -> list[tuple]:
    return [
        (each.file_name, each.error.code if each.error else each.image.duplicate_of or each.image.image_id)
        for each in outcomes
    ]


def test_a_retry_with_its_key_answers_as_the_first_time(ports):
    """The same request again stores nothing, and what it created is not called a duplicate of itself."""
    first = _send(ports)
    rows, objects = dict(ports.images.rows), dict(ports.store.objects)
    again = _send(ports)
    assert _answers(again) == _answers(first)
    assert [_short(each) for each in again] == ["accepted", "accepted", "duplicate", "unsupported-format"]
    assert (ports.images.rows, ports.store.objects) == (rows, objects)


@pytest.mark.parametrize("after", [False, True])
def test_a_retry_after_a_crash_at_any_call_completes_the_request(after):
    """Killed at each call in turn, a request that is sent again ends as it would have without."""
    for at in count(1):
        ports, crashes = fake_ports(), Crashes(at, after=after)
        wrapped = {name: crashes.wrap(getattr(ports, name)) for name in ("images", "store", "idempotency")}
        with suppress(Crash):
            _send(replace(ports, **wrapped))
        outcomes = _send(ports)
        assert [_short(each) for each in outcomes] == [
            "accepted", "accepted", "duplicate", "unsupported-format",
        ]  # fmt: skip
        assert outcomes[2].image.duplicate_of == outcomes[0].image.image_id
        assert len(list(ports.images.known("P"))) == 2
        if crashes.calls < at:
            break
    assert at > 8


def test_a_retry_does_not_bring_back_what_was_deleted_since(ports):
    """An image that was deleted between a request and its retry is answered as created, and stays deleted.

    So does its copy in the same request; under another key the bytes are taken anew.
    """
    first = _send(ports)
    assemble(ports).deletion.one("P", first[0].image.image_id)
    objects = dict(ports.store.objects)
    assert _answers(_send(ports)) == _answers(first)
    assert ports.images.get("P", first[0].image.image_id).status == ImageStatus.DELETED
    assert ports.store.objects == objects
    anew = _send(ports, RETRIED[:1], "another key")
    assert _short(anew[0]) == "accepted"
    # The bytes are another image's by now: to the first request they are still its own.
    assert _answers(_send(ports)) == _answers(first)


@pytest.mark.parametrize(
    "files", [RETRIED[:2], RETRIED[::-1], [("a2.png", b"image a"), *RETRIED[1:]], [(None, b""), *RETRIED[1:]]]
)
def test_a_key_is_for_the_same_files(ports, files):
    """Fewer files, another order, another name, or other bytes under one key are refused."""
    _send(ports)
    with pytest.raises(UnprocessableError) as raised:
        _send(ports, files)
    assert raised.value.code == "idempotency-key-reused"


def test_a_key_is_a_projects_own(ports):
    """The same key and files in another project are another request."""
    _send(ports)
    assert _short(_send(ports, project_id="Q")[0]) == "accepted"
    assert len(list(ports.images.known("Q"))) == 2


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
