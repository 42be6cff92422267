"""Bodies that may hold anything."""

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.errors import MalformedError, TooLargeError
from chalicelib.routes.body import MAX_MULTIPART_BYTES, read_files, read_json

TYPE = "multipart/form-data; boundary=b"


def _part(content: bytes, disposition: str = 'form-data; name="images"; filename="a.png"') -> bytes:
    head = f"--b\r\nContent-Disposition: {disposition}\r\n\r\n".encode()
    return head + content + b"\r\n"


def _files(raw: bytes, content_type: str = TYPE):
    return read_files(raw, content_type, "images")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{",
        b"{} {}",
        b"{'a': 1}",
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'"\xe9"',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"1" * 5000,
        b"[1e999]",
        b"[-1e999]",
        b"01",
        b'"\x00"',
    ],
    ids=lambda raw: repr(raw[:12]),
)
def test_what_is_not_json_is_malformed(raw):
    """Each kind of broken JSON is one sentence of a 400, never another exception."""
    with pytest.raises(MalformedError) as refused:
        read_json(raw)
    assert refused.value.code == "malformed-json"


def test_json_is_read():
    """Proper JSON comes through, in whatever characters."""
    assert read_json('{"é": [1, 2.5, null, true]}'.encode()) == {"é": [1, 2.5, None, True]}


def test_a_whole_number_is_one_however_it_is_written():
    """2.0 and 2e0 are 2, which a member that wants a whole number takes; what has a fraction stays."""
    read = read_json(b"[2.0, 2e0, -3.0, 2.5, 1e300]")
    assert read == [2, 2, -3, 2.5, 1e300]
    assert [type(each) for each in read] == [int, int, int, float, float]


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_json_or_malformed(raw):
    """Whatever comes in is read or refused."""
    with suppress(MalformedError):
        read_json(raw)


def test_a_doubled_member_among_many_is_found_soon():
    """300,000 members with a doubled one at the end cost no more than seconds of CPU."""
    members = ",".join([*(f'"{number}":0' for number in range(300_000)), '"299999":0'])
    started = time.process_time()
    with pytest.raises(MalformedError, match="299999"):
        read_json(f"{{{members}}}".encode())
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("raw", "content_type", "code"),
    [
        (b"", TYPE, "malformed-multipart"),
        (b"--b--\r\n", TYPE, "files-missing"),
        (_part(b"x"), TYPE, "malformed-multipart"),
        (_part(b"x") + b"--b--\r\n", "multipart/form-data", "malformed-multipart"),
        (_part(b"x") + b"--b--\r\n", "multipart/form-data; boundary=other", "malformed-multipart"),
        (_part(b"x") + b"--b--\r\n", "multipart/form-data; boundary=" + "b" * 500, "malformed-multipart"),
        (_part(b"x", 'form-data; name="files"; filename="a"') + b"--b--\r\n", TYPE, "files-missing"),
        (b"--b\r\n\r\nx\r\n--b--\r\n", TYPE, "malformed-multipart"),
        (b"--b\r\nbroken\r\n\r\nx\r\n--b--\r\n", TYPE, "malformed-multipart"),
        (b'{"images": []}', TYPE, "malformed-multipart"),
    ],
)
def test_broken_multipart_is_malformed(raw, content_type, code):
    """Each kind of broken or empty form is a 400 with its code."""
    with pytest.raises(MalformedError) as refused:
        _files(raw, content_type)
    assert refused.value.code == code


def test_a_form_over_the_limit_names_the_other_way():
    """A byte over 4.5 MB is refused before it is read, with a hint at presigned uploads."""
    with pytest.raises(TooLargeError) as refused:
        _files(b"x" * (MAX_MULTIPART_BYTES + 1))
    assert "/data/uploads" in refused.value.hint


def test_a_form_just_under_the_limit_is_read():
    """Files of 4.5 MB in all, in one part, come through byte for byte."""
    content = bytes(range(256)) * 17_500
    assert [each.content for each in _files(_part(content) + b"--b--\r\n")] == [content]


@pytest.mark.parametrize("raw", [_part(b"") * 1001, _part(b"", "form-data; name=x; filename=" + "a" * 9000)])
def test_too_many_parts_or_headers_are_too_large(raw):
    """1,001 parts, or a header of 9 KB, are refused as too large."""
    with pytest.raises(TooLargeError):
        _files(raw + b"--b--\r\n")


def test_every_file_of_the_field_comes_in_order():
    """Doubled fields are further files; other fields are passed over; a file without a name is kept."""
    other = _part(b"text", 'form-data; name="note"')
    nameless = _part(b"2", 'form-data; name="images"')
    sent = _files(_part(b"1") + other + nameless + _part(b"") + b"--b--\r\n")
    assert [(each.file_name, each.content) for each in sent] == [
        ("a.png", b"1"),
        (None, b"2"),
        ("a.png", b""),
    ]


@pytest.mark.parametrize("name", ["é.png", "a b+%2F.png", "日本.png"])
def test_file_names_keep_their_characters(name):
    """Names with accents, signs and spaces come through as they were sent."""
    part = _part(b"1", f'form-data; name="images"; filename="{name}"')
    assert [each.file_name for each in _files(part + b"--b--\r\n")] == [name]


def test_a_file_name_that_is_not_utf8_is_malformed():
    """Bytes that are no UTF-8 in a header refuse the form; they never reach an answer."""
    raw = _part(b"1").replace(b"a.png", b"\xff\xfe.png") + b"--b--\r\n"
    with pytest.raises(MalformedError):
        _files(raw)


@given(st.binary(max_size=200), st.sampled_from([TYPE, "multipart/form-data", "text/plain", ""]))
def test_any_bytes_are_a_form_or_refused(raw, content_type):
    """Whatever comes in as a form is read or refused."""
    with suppress(MalformedError, TooLargeError):
        _files(b"--b\r\n" + raw, content_type)
