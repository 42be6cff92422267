"""Documents of any kind of brokenness: a reader reports, and never fails."""

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.contract.errors import DarkroomError, UnprocessableError
from data_job.annotations import Found, Problem
from data_job.formats import SUPPORTED, detect, read

from .archives import Item, exported, opened

BOXES = [{"label": "a b", "box": [1, 2, 30.5, 40]}, {"label": "ü", "box": [0, 0, 640, 480]}]
SEEDS = {
    (format, task): exported(
        format,
        task,
        [
            Item("a.jpg", "a/b" if task == "classification" else BOXES, "train"),
            Item("sub/ü.png", "ü" if task == "classification" else [], None),
        ],
    )[0]
    for format, task in sorted(SUPPORTED)
}
#: What is put in by chance: what the syntaxes are made of, and numbers that are none.
PIECES = (
    *(
        b'"',
        b"'",
        b",",
        b";",
        b"\n",
        b"\0",
        b"\xff",
        b"[",
        b"]",
        b"{",
        b"}",
        b"<",
        b">",
        b"&x;",
        b"<!DOCTYPE a>",
    ),
    *(
        b"NaN",
        b"1e999",
        b"-1",
        b"null",
        b"true",
        b"[[",
        b"&a",
        b"*a",
        b"../",
        b"\\ud800",
        b"9" * 400,
        b": ",
        b"- ",
    ),
)


@st.composite
def _mutated(draw, content: bytes) -> bytes:
    broken = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(broken)))
        end = start + draw(st.integers(0, 12))
        broken[start:end] = draw(st.sampled_from(PIECES) | st.binary(max_size=4) | st.just(b""))
    return bytes(broken)


def _check(found) -> None:
    for each in found:
        assert isinstance(each, Found | Problem)
        # As it goes into the report.
        place = [each.where.file, each.where.line, each.where.key]
        said = [each.code, each.message] if isinstance(each, Problem) else [each.name, each.label]
        json.dumps([place, said], ensure_ascii=False).encode()


@pytest.mark.parametrize(("format", "task_type"), sorted(SEEDS))
def test_broken_documents_raise_nothing_else(format, task_type):
    """Whatever is done to a document, its reader yields what can be written into a report, or refuses."""
    files = SEEDS[format, task_type]
    documents = sorted(path for path in files if not path.endswith((".jpg", ".png")))

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(documents).flatmap(lambda path: st.tuples(st.just(path), _mutated(files[path]))))
    def holds(change):
        path, content = change
        with suppress(DarkroomError), opened(files | {path: content}) as archive:
            _check(read(format, archive))
            _check(read(detect(archive), archive))

    holds()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode(errors="replace")))
def test_any_bytes_are_read_by_every_reader(content):
    """Bytes that are no document at all are a problem for each reader, never a failure."""
    names = (
        "a.csv",
        "a.json",
        "a.manifest",
        "a.xml",
        "data.yaml",
        "darkroom-folders.json",
        "x/a.jpg",
        "labels/x.txt",
    )
    with opened(dict.fromkeys(names, content)) as archive:
        for format in sorted({format for format, _ in SUPPORTED}):
            # Bytes that begin like an archive are refused where they are read.
            with suppress(UnprocessableError):
                _check(read(format, archive))
