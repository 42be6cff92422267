"""Settings: a flag, then the environment, then ./darkroom.toml, then the user's own file."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigurationError
from .files import config_folder, write_private

DEFAULT_URL = "http://127.0.0.1:8000"
FOLDER_FILE = "darkroom.toml"
API_KEY = "DARKROOM_API_KEY"
_NAMES = ("url", "project")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value, and where it stands."""

    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set.

    Args:
        url: of the API, without /api.
        project: id or name; None where none is set.
        api_key: from the environment alone, since it is a secret.
        own_url: in the user's own file, whether it is in force or not.
        folder: where the user's settings and logins are.
    """

    url: Setting
    project: Setting | None
    api_key: str | None
    folder: Path
    own_url: str | None = None

    @property
    def credentials_file(self) -> Path:
        return self.folder / "credentials.json"


def load(
    environ: Mapping[str, str], here: Path, url: str | None = None, project: str | None = None
) -> Settings:
    """The settings in force.

    Args:
        environ: DARKROOM_URL, DARKROOM_PROJECT, DARKROOM_API_KEY.
        here: the folder whose darkroom.toml is read.
        url: the flag's.
        project: the flag's.

    Raises:
        ConfigurationError: a file can't be read, or has what it shouldn't.
    """
    folder = config_folder(environ)
    own = _read(folder / "config.toml")
    flags = {"url": url, "project": project}
    in_environment = {name: environ.get(f"DARKROOM_{name.upper()}") for name in _NAMES}
    places = [
        ("the command line", flags),
        ("the environment", in_environment),
        (FOLDER_FILE, _read(here / FOLDER_FILE)),
        (str(folder / "config.toml"), own),
    ]

    def find(name: str) -> Setting | None:
        found = ((values.get(name), source) for source, values in places)
        return next((Setting(value, source) for value, source in found if value), None)

    return Settings(
        url=find("url") or Setting(DEFAULT_URL, "the default"),
        project=find("project"),
        api_key=environ.get(API_KEY) or None,
        folder=folder,
        own_url=own.get("url"),
    )


def remember(path: Path, **values: str) -> None:
    """Sets values in a settings file, and leaves its other lines as they are."""
    lines = path.read_text().splitlines() if path.exists() else []
    for name, value in values.items():
        line = f'{name} = "{_escaped(value)}"'
        at = next((n for n, each in enumerate(lines) if re.match(rf"\s*{name}\s*=", each)), None)
        if at is None:
            lines.append(line)
        else:
            lines[at] = line
    text = "\n".join(lines) + "\n"
    if path.name == FOLDER_FILE:
        path.write_text(text)
    else:
        write_private(path, text)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _read(path: Path) -> dict[str, str | None]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read {path}: {error}") from error
    for name, value in found.items():
        if name not in _NAMES:
            hint = f"Secrets belong in {API_KEY}." if "key" in name or "password" in name else None
            raise ConfigurationError(f"{path} has an unknown setting {name!r}", hint=hint)
        if not isinstance(value, str):
            raise ConfigurationError(f"{path}: {name} is no text")
    return dict(found)
