"""Manifests: canonical, hashed, and read back whole."""

import gzip
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract.manifest import Entry, pack, unpack

PLAIN = Entry(image_id="1", file_name="é.png", label="cat", sha256="s", size_bytes=5, width=8, height=6)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
BOXES = st.lists(st.fixed_dictionaries({"label": TEXT, "box": st.lists(st.integers(0, 9), min_size=4)}))
ENTRIES = st.lists(
    st.builds(
        Entry,
        image_id=st.text("0123456789ABCDEF", min_size=1),
        file_name=TEXT,
        label=TEXT | BOXES,
        sha256=st.text("0123456789abcdef"),
        size_bytes=st.integers(0),
        width=st.integers(1, 9),
        height=st.integers(1, 9),
        split=st.sampled_from(["train", "val", "test", None]),
        perceptual_hash=st.none() | st.text("0123456789abcdef", min_size=32, max_size=32),
    ),
    unique_by=lambda each: each.image_id,
).map(lambda entries: sorted(entries, key=lambda each: each.image_id))


def test_a_line_is_canonical_json():
    """Sorted names, no spaces, UTF-8, and nothing for what an image doesn't have."""
    line = (
        '{"fileName":"é.png","height":6,"imageId":"1","label":"cat","sha256":"s","sizeBytes":5,"width":8}\n'
    )
    assert PLAIN.to_line().decode() == line
    assert b'"split":"val"' in replace(PLAIN, split="val").to_line()


@given(ENTRIES)
def test_what_is_packed_comes_back(entries):
    """Any entries are read back in order, and the hash is that of the lines."""
    packed = pack(entries)
    assert list(unpack(packed.content, packed.dataset_hash)) == entries
    assert packed.images == len(entries)
    assert packed.dataset_hash == sha256(gzip.decompress(packed.content)).hexdigest()


def test_the_same_data_is_the_same_object():
    """The stored bytes hold no time and no name: equal data makes equal objects."""
    assert pack([PLAIN]) == pack(iter([PLAIN]))
    assert pack([replace(PLAIN, label="dog")]).dataset_hash != pack([PLAIN]).dataset_hash


@pytest.mark.parametrize("second", ["0", "1"])
def test_entries_come_sorted_and_once(second):
    """An image out of order, or there twice, would give the same data another hash."""
    with pytest.raises(ValueError, match=f"{second} after 1"):
        pack([PLAIN, replace(PLAIN, image_id=second)])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (pack([]).content, "has the hash"),
        (pack([PLAIN]).content[:-12], "can't be read"),
        (b"no gzip at all", "can't be read"),
        (gzip.compress(b'{"unknown":1}\n'), "can't be read"),
        (gzip.compress(b"{}\n"), "can't be read"),
        (gzip.compress(b"{\n"), "Expecting"),
    ],
)
def test_another_or_a_broken_object_is_an_error(content, words):
    """Whatever is wrong with the bytes, reading to the end says so by one error."""
    with pytest.raises(ValueError, match=words):
        list(unpack(content, pack([PLAIN]).dataset_hash))


def test_the_classes_of_an_entry_are_those_of_its_label():
    """A class is one class; boxes name each of theirs once."""
    boxes = [{"label": name, "box": [0, 0, 1, 1]} for name in ("dog", "cat", "dog")]
    assert PLAIN.classes == {"cat"}
    assert replace(PLAIN, label=boxes).classes == {"cat", "dog"}
