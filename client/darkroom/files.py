"""Small files of our own: where they lie, written whole or not at all, and locked."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .errors import ConfigurationError

_NAME = "darkroom"


def config_folder(environ: Mapping[str, str]) -> Path:
    """Where settings and logins are kept: below $XDG_CONFIG_HOME, ~/.config, or %APPDATA%."""
    return _folder(environ, "XDG_CONFIG_HOME", "APPDATA", ".config")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Where unfinished uploads are kept: below $XDG_STATE_HOME, ~/.local/state, or %LOCALAPPDATA%."""
    return _folder(environ, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")


def _folder(environ: Mapping[str, str], variable: str, on_windows: str, below_home: str) -> Path:
    named = environ.get(on_windows if sys.platform == "win32" else variable)
    return (Path(named) if named else Path.home() / below_home) / _NAME


def make_private(folder: Path) -> None:
    """Makes a folder that only its user can read."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"cannot make {folder}: {error.strerror}") from error


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its user can read; after a crash it is the old one or the new one, whole."""
    make_private(path.parent)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # 0600 by itself
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[bool]:
    """Holds a lock among processes, by a file that stays; it ends with the process, whatever happens.

    Args:
        path: of the lock's file.
        wait: False: don't wait for another process.

    Yields:
        Whether it is held.
    """
    make_private(path.parent)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield _lock(handle, wait)
    finally:
        os.close(handle)


def _lock(handle: int, wait: bool) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        return False
    return True
