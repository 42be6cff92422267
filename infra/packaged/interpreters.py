"""Interpreters for what can't share the present environment: other versions of Python, and other pins."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements")
_STAMP = "installed.txt"


class NoInterpreterError(Exception):
    """An environment could not be made; with the end of what was said."""


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


def environment(name: str, folder: Path, python: str = sys.executable) -> Path:
    """The interpreter of a virtual environment with the pins of requirements/<name>.txt.

    It is made where it isn't there, and made anew where the pins or the Python have changed.

    Args:
        name: of the file of requirements.
        folder: the environment's own.
        python: the interpreter that it is made from.

    Raises:
        NoInterpreterError: it could not be made.
    """
    pins = REQUIREMENTS / f"{name}.txt"
    wanted = f"{python}\n{pins.read_text()}"
    made, stamp = folder / "bin" / "python", folder / _STAMP
    if not stamp.exists() or stamp.read_text() != wanted:
        _run(python, "-m", "venv", "--clear", str(folder))
        _run(str(made), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(pins))
        stamp.write_text(wanted)
    return made


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


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NoInterpreterError(done.stderr[-500:].strip() or f"{command[0]} ended with {done.returncode}")
