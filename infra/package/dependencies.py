"""The packages of a zip as wheels for the target, whatever machine this is."""

import base64
import csv
import subprocess
import sys
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path

from .errors import PackageError
from .target import Target

#: Every package that goes along, with the hashes of its wheels; `python -m infra.package.lock` writes it.
LOCK = Path(__file__).with_name("requirements.lock")
PREDICTOR_LOCK = Path(__file__).with_name("predictor.lock")


def install(target: Target, folder: Path, lock: Path = LOCK, *options: str) -> None:
    """Unpacks the locked wheels into a folder.

    Args:
        target: the machine that they are for.
        folder: which pip makes.
        lock: requirements with hashes.
        options: more options of `pip install`.

    Raises:
        PackageError: there is no wheel for the target, or one isn't as locked; with pip's last lines.
    """
    locked = ["--require-hashes", "--no-deps", "--no-compile", f"--requirement={lock}"]
    pip("install", f"--target={folder}", *locked, *target_options(target), *options)


def target_options(target: Target) -> list[str]:
    """What tells pip to look for another machine's wheels."""
    platforms = [f"--platform={each}" for each in target.platforms]
    return ["--only-binary=:all:", "--implementation=cp", f"--python-version={target.python}", *platforms]


def pip(*arguments: str) -> str:
    """What pip printed.

    Raises:
        PackageError: pip failed; with its last lines.
    """
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise PackageError([f"pip: {line}" for line in _told(done.stderr)])
    return done.stdout


def _told(stderr: str) -> Sequence[str]:
    lines = [line for line in stderr.splitlines() if line.startswith("ERROR")]
    return lines or stderr.splitlines()[-3:]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What wheels installed.

    Attributes:
        files: path -> SHA-256 of each file, in hexadecimal digits.
        binaries: the shared objects among them that are of manylinux wheels of the target.
    """

    files: Mapping[str, str]
    binaries: Set[str]


def recorded(folder: Path, target: Target) -> Recorded:
    """What the wheels in a folder say of themselves.

    Source: https://packaging.python.org/en/latest/specifications/binary-distribution-format/
    """
    files: dict[str, str] = {}
    binaries: set[str] = set()
    for metadata in folder.glob("*.dist-info"):
        with (metadata / "RECORD").open(newline="") as record:
            own = {path: _hex(digest) for path, digest, _ in csv.reader(record)}
        files |= own
        if _is_for(target, (metadata / "WHEEL").read_text()):
            binaries |= {path for path in own if is_binary(path)}
    return Recorded(files, binaries)


def is_binary(path: str) -> bool:
    """Whether a path is that of a shared object, with a version at its end or without."""
    name = path.rpartition("/")[2]
    return name.endswith(".so") or ".so." in name


def _is_for(target: Target, wheel: str) -> bool:
    tags = [line.partition(":")[2].strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    return any(tag.rpartition("-")[2] in target.platforms for tag in tags)


def _hex(digest: str) -> str:
    """The hexadecimal digits of a record's `sha256=` and URL-safe base64 without padding."""
    encoded = digest.partition("=")[2]
    return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).hex()
