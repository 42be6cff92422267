"""What a zip must not be, each in a sentence of its own."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

from .dependencies import Recorded, is_binary
from .elf import SharedObject
from .target import Target

#: Of Darkroom, for the time that a cold start takes.
MAX_BYTES = 15_000_000
#: Lambda's: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_UNPACKED_BYTES = 262_144_000
#: What of chalicelib/ goes in: modules, data that they read, and the console with its licences.
OURS = (".py", ".txt.gz", ".html", ".css", ".js", ".svg", ".md")
#: Chalice puts these of its own there.
_CHALICE = ("chalice/__init__.py", "chalice/app.py")
_TEST = re.compile(r"(^|/)(tests?/|conftest\.py$|test_[^/]*\.py$|[^/]*_test\.py$)")
_SECRET_NAME = re.compile(
    r"(^|/)(\.env[^/]*|[^/]*\.(pem|key|p12|pfx|jks)|id_(rsa|dsa|ecdsa|ed25519)|credentials)$"
)
_SECRET = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\b(AKIA|ASIA)[0-9A-Z]{16}\b")
#: The flags of a compiled module that is never checked against its source: PEP 552.
_UNCHECKED_HASH = (1).to_bytes(4, "little")
#: The containers' code, and packages that they alone need.
_CONTAINERS = ("training_job/", "data_job/", "torch/", "torchvision/", "obstore/")


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the zips that a stage is deployed from.

    Attributes:
        name: of its file.
        max_bytes: that it may have.
        foreign: beginnings of the names of what belongs to others.
        is_ours: whether a file of that name may be of Darkroom.
    """

    name: str
    max_bytes: int
    foreign: tuple[str, ...]
    is_ours: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Zip:
    """A zip's content, and what it may be made of.

    Attributes:
        size_bytes: of the zip itself.
        files: name -> content.
        recorded: what the wheels brought.
    """

    size_bytes: int
    files: Mapping[str, bytes]
    recorded: Recorded
    target: Target
    kind: Kind


def problems(package: Zip) -> list[str]:
    """Why a zip must not be deployed; empty for a good one."""
    return [sentence for check in _CHECKS for sentence in check(package)]


def _foreign_binaries(package: Zip) -> Iterator[str]:
    of = f"{package.target.runtime} on {package.target.architecture}"
    for name in filter(is_binary, package.files):
        if name not in package.recorded.binaries:
            yield f"{name} is not from a manylinux wheel for {of}"


def _other_processors(package: Zip) -> Iterator[str]:
    for name in filter(is_binary, package.files):
        try:
            machine = SharedObject.read(package.files[name]).machine
        except ValueError as error:
            yield f"{name} is {error}"
        else:
            if machine != package.target.elf_machine:
                yield f"{name} is for another processor than {package.target.architecture}"


def _missing_libraries(package: Zip) -> Iterator[str]:
    """Of those that wheels bring along; the others are the system's."""
    here = {name.rpartition("/")[2] for name in package.files}
    brought = {name.rpartition("/")[2] for name in package.recorded.binaries}
    for name in filter(is_binary, package.files):
        for needed in _needed(package.files[name]):
            if needed in brought - here:
                yield f"{name} needs {needed}, which is left out"


def _needed(content: bytes) -> tuple[str, ...]:
    try:
        return SharedObject.read(content).needed
    except ValueError:
        return ()  # said by another check


def _large(package: Zip) -> Iterator[str]:
    if package.size_bytes > package.kind.max_bytes:
        yield f"the zip has {package.size_bytes:,} bytes; it may have {package.kind.max_bytes:,}"
    unpacked = sum(map(len, package.files.values()))
    if unpacked > MAX_UNPACKED_BYTES:
        yield f"unpacked, the zip has {unpacked:,} bytes; Lambda takes {MAX_UNPACKED_BYTES:,}"


def _tests(package: Zip) -> Iterator[str]:
    return (f"{name} is a test" for name in package.files if _TEST.search(name))


def _secrets(package: Zip) -> Iterator[str]:
    for name, content in package.files.items():
        # Libraries that read keys know how one begins.
        is_library = is_binary(name) and _is_as_brought(package, name)
        if _SECRET_NAME.search(name) or (_SECRET.search(content) and not is_library):
            yield f"{name} is or holds a secret"


def _foreign(package: Zip) -> Iterator[str]:
    own = package.kind
    for name in package.files:
        if name.startswith(own.foreign) and not (own.is_ours(name) or _is_compiled(name)):
            yield f"{name} belongs elsewhere"


def _compiled(package: Zip) -> Iterator[str]:
    """Compiled modules have their source beside them, are the target's, and bear no time."""
    tag = f".cpython-{package.target.python.replace('.', '')}.pyc"
    for name in filter(_is_compiled, package.files):
        if not name.endswith(tag) or package.files[name][4:8] != _UNCHECKED_HASH:
            yield f"{name} isn't compiled as for {package.target.runtime}, by its hash"
        elif name.replace("__pycache__/", "").replace(tag, ".py") not in package.files:
            yield f"{name} has no source beside it"


def _unexpected(package: Zip) -> Iterator[str]:
    for name in package.files:
        if not (package.kind.is_ours(name) or _is_compiled(name) or _is_as_brought(package, name)):
            yield f"{name} is neither Darkroom's nor as a wheel brought it"


def _is_as_brought(package: Zip, name: str) -> bool:
    """Whether a file is as a locked wheel brought it."""
    return package.recorded.files.get(name) == sha256(package.files[name]).hexdigest()


def _is_compiled(name: str) -> bool:
    return name.endswith(".pyc")


def _is_ours(name: str) -> bool:
    is_part = name.startswith("chalicelib/") and name.endswith(OURS)
    return is_part or name == "app.py" or name in _CHALICE


def _is_predictors(name: str) -> bool:
    return name.startswith(PREDICTOR_SOURCES) and name.endswith(".py")


#: What the predictor is made of: its own code, what all agree on, and the decoding of the training.
PREDICTOR_SOURCES = (
    "predictor/",
    "chalicelib/__init__.py",
    "chalicelib/contract/",
    "training_job/__init__.py",
    "training_job/pictures.py",
)
FUNCTIONS = Kind(
    "deployment.zip", MAX_BYTES, (*_CONTAINERS, "predictor/", "onnxruntime/", "numpy/"), _is_ours
)
PREDICTOR = Kind("predictor.zip", 50_000_000, (*_CONTAINERS, "chalicelib/", "chalice/"), _is_predictors)

_CHECKS: tuple[Callable[[Zip], Iterator[str]], ...] = (
    _foreign_binaries,
    _other_processors,
    _missing_libraries,
    _large,
    _tests,
    _secrets,
    _foreign,
    _compiled,
    _unexpected,
)
