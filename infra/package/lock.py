"""`python -m infra.package.lock`: pins what each zip's requirements bring along, with the wheels' hashes.

To be run after a change of them; needs the package index.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from .dependencies import LOCK, PREDICTOR_LOCK, pip, target_options
from .target import PROCESSORS, PYTHON, Target

_ROOT = Path(__file__).parents[2]
REQUIREMENTS = _ROOT / "requirements.txt"
#: Lock -> the requirements that it pins.
LOCKS = {LOCK: REQUIREMENTS, PREDICTOR_LOCK: _ROOT / "predictor" / "requirements.txt"}
#: Beside Lambda's own version: those on which the functions can be run where Lambda's isn't installed.
_TARGETS = (*(Target(PYTHON, name) for name in PROCESSORS), Target("3.12"), Target("3.11"))
_HEAD = """\
# What {name} brings into a Lambda zip, with the hashes of the wheels of every target.
# Written by `python -m infra.package.lock`.
"""


def lock(requirements: Path = REQUIREMENTS, targets: Sequence[Target] = _TARGETS) -> str:
    """The text of the lock of some requirements.

    Raises:
        PackageError: pip found no wheels.
    """
    hashes: dict[str, set[str]] = defaultdict(set)
    for target in targets:
        for pin, digest in _resolved(requirements, target):
            hashes[pin].add(digest)
    name = requirements.relative_to(_ROOT).as_posix()
    return _HEAD.format(name=name) + "".join(_entry(pin, hashes[pin]) for pin in sorted(hashes))


def _resolved(requirements: Path, target: Target) -> Iterator[tuple[str, str]]:
    """("name==version", SHA-256) of each wheel that pip would install."""
    options = ["--dry-run", "--ignore-installed", "--report=-", "--target=nowhere"]
    report = pip("install", *options, f"--requirement={requirements}", *target_options(target))
    for each in json.loads(report)["install"]:
        name, version = each["metadata"]["name"], each["metadata"]["version"]
        yield f"{canonical(name)}=={version}", each["download_info"]["archive_info"]["hashes"]["sha256"]


def canonical(name: str) -> str:
    """A package's name as the index has it: https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()


def _entry(pin: str, digests: set[str]) -> str:
    return " \\\n".join([pin, *(f"    --hash=sha256:{digest}" for digest in sorted(digests))]) + "\n"


if __name__ == "__main__":
    for path, pinned in LOCKS.items():
        path.write_text(lock(pinned))
