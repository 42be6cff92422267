"""Which of two checkouts is the newer one."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

#: Of the product; raised with each release.
NUMBER = (0, 1, 0)
_FORM = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?")


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """A release's number, then the time of the commit; written 0.1.0+1795352688."""

    number: tuple[int, int, int]
    committed_at: int  # Unix seconds; 0 outside a git checkout

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The version that is written so; None for what is no version."""
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        return cls((int(found[1]), int(found[2]), int(found[3])), int(found[4] or 0))

    def __str__(self) -> str:
        return ".".join(map(str, self.number)) + (f"+{self.committed_at}" if self.committed_at else "")


def of_checkout(folder: Path) -> Version:
    """The version of the sources in a folder."""
    return Version(NUMBER, _committed_at(folder))


def _committed_at(folder: Path) -> int:
    try:
        asked = subprocess.run(  # noqa: S603 - nothing of it comes from outside
            ["git", "-C", str(folder), "log", "-1", "--format=%ct"],  # noqa: S607 - the one of the PATH is meant
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:  # no git: an unpacked archive
        return 0
    return int(asked.stdout) if asked.returncode == 0 and asked.stdout.strip() else 0
