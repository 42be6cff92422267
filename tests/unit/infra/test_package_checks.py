"""What the package's checks refuse, on zips of a few files."""

from hashlib import sha256

import pytest

from infra.package.checks import FUNCTIONS, MAX_BYTES, MAX_UNPACKED_BYTES, PREDICTOR, Kind, Zip, problems
from infra.package.dependencies import Recorded
from infra.package.target import Target
from tests.unit.infra.shared_objects import shared_object

MODULE, LIBRARY = "picture/_c.so", "picture.libs/libz-1.so.1.2"
WHEEL = {MODULE: shared_object("libz-1.so.1.2", "libc.so.6"), LIBRARY: shared_object("libc.so.6")}
GOOD = WHEEL | {
    "app.py": b"app",
    "chalicelib/routes/api.py": b"",
    "chalicelib/adapters/words.txt.gz": b"",
    "chalice/app.py": b"",
}
COMPILED, UNCHECKED = "chalicelib/routes/__pycache__/api.cpython-313.pyc", b"\xf3\r\r\n\1\0\0\0"
#: Put together here, so that no scanner takes this file for one with a key in it.
KEY = b"-----BEGIN RSA PRIVATE" + b" KEY-----"


def package(
    files: dict[str, bytes], size_bytes: int = 1000, wheel: dict[str, bytes] = WHEEL, kind: Kind = FUNCTIONS
) -> Zip:
    recorded = Recorded({name: sha256(each).hexdigest() for name, each in wheel.items()}, set(WHEEL))
    return Zip(size_bytes, files, recorded, Target(), kind)


def test_a_package_of_ours_and_of_wheels_is_good():
    """What is Darkroom's, Chalice's, compiled, or as a wheel of the target brought it passes every check."""
    assert problems(package(GOOD | {COMPILED: UNCHECKED}, MAX_BYTES)) == []


def test_a_zip_may_not_be_large():
    """One byte over the limit is said with both figures."""
    assert problems(package(GOOD, 15_000_001)) == ["the zip has 15,000,001 bytes; it may have 15,000,000"]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("chalicelib/test_app.py", b"", "is a test"),
        ("picture/tests/case.py", b"", "is a test"),
        (".env", b"A=1", "is or holds a secret"),
        (".env.prod", b"A=1", "is or holds a secret"),
        ("picture/server.pem", b"", "is or holds a secret"),
        ("chalicelib/settings.py", b"KEY = '''" + KEY, "is or holds a secret"),
        ("chalicelib/keys.py", b"id = '" + b"AKIA" + b"Q" * 16 + b"'", "is or holds a secret"),
        ("training_job/run.py", b"", "belongs elsewhere"),
        ("torch/__init__.py", b"", "belongs elsewhere"),
        ("predictor/handler.py", b"", "belongs elsewhere"),
        ("numpy/__init__.py", b"", "belongs elsewhere"),
        ("chalicelib/a.pyc", UNCHECKED, "isn't compiled as for python3.13, by its hash"),
        ("__pycache__/app.cpython-311.pyc", UNCHECKED, "isn't compiled as for python3.13, by its hash"),
        ("__pycache__/app.cpython-313.pyc", bytes(16), "isn't compiled as for python3.13, by its hash"),
        ("__pycache__/other.cpython-313.pyc", UNCHECKED, "has no source beside it"),
        ("notes.txt", b"", "is neither Darkroom's nor as a wheel brought it"),
        ("chalicelib/notes.txt", b"", "is neither Darkroom's nor as a wheel brought it"),
        ("built.so", shared_object(), "is not from a manylinux wheel for python3.13 on x86_64"),
        ("built.so.7", shared_object(), "is not from a manylinux wheel for python3.13 on x86_64"),
    ],
)  # fmt: skip
def test_what_does_not_belong_there_is_named(name, content, sentence):
    """Each file that must not be deployed is named with the reason."""
    assert f"{name} {sentence}" in problems(package(GOOD | {name: content}))


PREDICTORS = WHEEL | {
    "predictor/handler.py": b"",
    "chalicelib/__init__.py": b"",
    "chalicelib/contract/errors.py": b"",
    "training_job/pictures.py": b"",
}


def test_the_predictor_has_its_own_parts():
    """Its code, the contract and the training's decoding go in; the API and other training don't."""
    assert problems(package(PREDICTORS, 50_000_000, kind=PREDICTOR)) == []
    for name in ("chalicelib/bootstrap.py", "training_job/engine.py", "torch/__init__.py", "chalice/app.py"):
        assert f"{name} belongs elsewhere" in problems(package(PREDICTORS | {name: b""}, kind=PREDICTOR))


def test_a_zip_may_not_be_larger_than_lambda_unpacks():
    """What has few bytes as a zip may have many: Lambda's limit counts those."""
    files = GOOD | {"chalicelib/words.py": bytes(MAX_UNPACKED_BYTES)}
    [sentence] = problems(package(files))
    assert sentence.startswith("unpacked, the zip has 262,144,")


def test_a_library_that_reads_keys_holds_none():
    """The beginning of a key in a wheel's own library is no secret; in a module of ours it is."""
    library = {MODULE: WHEEL[MODULE] + KEY}
    assert problems(package(GOOD | library, wheel=WHEEL | library)) == []
    assert problems(package(GOOD | {"app.py": KEY})) == ["app.py is or holds a secret"]


def test_a_file_that_was_changed_after_its_wheel_is_named():
    """A wheel's file with other content than the wheel records is refused, though its name is right."""
    changed = GOOD | {MODULE: shared_object("libc.so.6")}
    assert problems(package(changed)) == [f"{MODULE} is neither Darkroom's nor as a wheel brought it"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (shared_object(machine=183), "is for another processor than x86_64"),
        (b"#!/bin/sh", "is no 64-bit little-endian ELF file"),
        (shared_object("libc.so.6")[:90], "is an ELF file that is cut off"),
    ],
)
def test_a_shared_object_is_for_the_targets_processor(content, sentence):
    """A shared object for another processor, or none at all, is refused even where a wheel brought it."""
    wheel = WHEEL | {MODULE: content}
    assert problems(package(GOOD | wheel, wheel=wheel)) == [f"{MODULE} {sentence}"]


def test_a_library_that_was_left_out_is_missed():
    """Trimming away what a remaining module loads is refused; the system's libraries are none of ours."""
    without = {name: content for name, content in GOOD.items() if name != LIBRARY}
    assert problems(package(without)) == [f"{MODULE} needs libz-1.so.1.2, which is left out"]
