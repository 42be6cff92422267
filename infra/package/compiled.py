"""Modules compiled by the target's Python: Lambda's code is read-only, and each cold start would compile it.

The files are of the kind that is never checked against its source (PEP 552): a time would make every
build another, and both go into the zip together.
"""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from .errors import PackageError

#: Where Lambda unpacks the zip; tracebacks name the files so.
_TASK = "/var/task"

Files = list[tuple[str, bytes]]


def compiled(files: Iterable[tuple[str, bytes]], python: str, folder: Path) -> Files:
    """The compiled modules of a zip, to lie beside their sources.

    Args:
        files: name -> content, of which the modules are taken.
        python: an interpreter of the target's version.
        folder: to work in; it is made.

    Raises:
        PackageError: a module could not be compiled.
    """
    for name, content in files:
        if name.endswith(".py"):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    options = ["-q", "-s", str(folder), "-p", _TASK, "--invalidation-mode", "unchecked-hash"]
    done = subprocess.run(
        [python, "-I", "-m", "compileall", *options, str(folder)], capture_output=True, text=True
    )
    if done.returncode:
        raise PackageError([f"compileall: {line}" for line in done.stdout.strip().splitlines()[-3:]])
    return [(path.relative_to(folder).as_posix(), path.read_bytes()) for path in folder.rglob("*.pyc")]
