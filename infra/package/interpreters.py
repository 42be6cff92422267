"""Interpreters of other versions of Python that this machine has."""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def python_of(version: str) -> str | None:
    """A Python of a version, as "3.13", that this machine has: on the PATH, of pyenv, or of uv."""
    if version == _version(sys.executable):
        return sys.executable
    named = shutil.which(f"python{version}")
    pyenv = sorted(_pyenv().glob(f"versions/{version}.*/bin/python"), reverse=True)
    uv = _said("uv", "python", "find", version) if shutil.which("uv") else ""
    for candidate in (named, *map(str, pyenv), uv):
        # pyenv's commands are there for every version, and fail for those that aren't chosen.
        if candidate and _version(candidate) == version:
            return candidate
    return None


def _pyenv() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _version(python: str) -> str:
    return _said(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def _said(*command: str) -> str:
    """What a command printed; nothing where it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
