"""Environments for what can't share the present one: other versions of Python, and other pins."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements")
_STAMP = "installed.txt"


class NoInterpreterError(Exception):
    """An environment could not be made; with the end of what was said."""


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


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise NoInterpreterError(done.stderr[-500:].strip() or f"{command[0]} ended with {done.returncode}")
