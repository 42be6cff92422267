"""Each peer in a virtual environment of its own, made from pinned requirements.

Torch and torchvision are Darkroom's own in all of them, by a path to the packages of the present
environment: the same build for everyone, and 5 GB each that aren't installed again.
"""

import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

REQUIREMENTS = Path(__file__).parent.parent / "peers" / "requirements"
_STAMP = "installed.txt"
Run = Callable[[Sequence[str]], None]


class InstallError(Exception):
    """A peer's packages could not be installed."""


def python_of(name: str, folder: Path, run: Run | None = None) -> Path:
    """The interpreter of a peer's environment, which is made first where it isn't there as pinned.

    Args:
        name: of a file of requirements.
        folder: of all environments.
        run: what runs a command; it may raise InstallError.

    Raises:
        InstallError: with the end of what pip said.
    """
    home, pins = folder / name, (REQUIREMENTS / f"{name}.txt").read_text()
    python, stamp = home / "bin" / "python", home / _STAMP
    if not stamp.exists() or stamp.read_text() != pins:
        print(f"making the environment of {name}", flush=True)
        venv.create(home, clear=True)
        shared = sysconfig.get_path("purelib")
        target = Path(sysconfig.get_path("purelib", vars={"base": str(home)}))
        # "zz": after the environment's own packages, so that those come first.
        (target / "zz_shared.pth").write_text(shared + "\n")
        # The present environment's pip: to give each its own would take longer than all of this.
        pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
        (run or _run)([*pip, "install", "--quiet", "-r", str(REQUIREMENTS / f"{name}.txt")])
        stamp.write_text(pins)
    return python


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603 - pip
    if done.returncode:
        raise InstallError(done.stderr[-500:].strip() or f"exit {done.returncode}")
