"""The web console: static files, served as they lie here. VENDORED.md says what of them isn't ours."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path

_ROOT = Path(__file__).parent
_FOLDERS = ("app", "parts", "views", "vendor")
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_PLACE = "{version}"


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and its media type."""

    text: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Console:
    """All that a browser may ask for.

    Attributes:
        version: a hash of everything; part of each asset's URL, so that caches never mix two of them.
        pages: name -> HTML, in which the version is filled in.
        assets: `folder/file` -> file.
    """

    version: str
    pages: Mapping[str, str]
    assets: Mapping[str, Asset]


@cache
def console() -> Console:
    """The files, read when they are first asked for."""
    assets = {f"{path.parent.name}/{path.name}": _asset(path) for path in _paths()}
    pages = {path.stem: path.read_text("utf-8") for path in sorted(_ROOT.glob("*.html"))}
    contents = [*(f"{name}\0{asset.text}" for name, asset in assets.items()), *pages.values()]
    version = sha256("\0".join(contents).encode()).hexdigest()[:12]
    filled = {name: text.replace(_PLACE, version) for name, text in pages.items()}
    return Console(version, filled, assets)


def _paths() -> list[Path]:
    found = [path for folder in _FOLDERS for path in (_ROOT / folder).iterdir()]
    return sorted(path for path in found if path.suffix in _TYPES)


def _asset(path: Path) -> Asset:
    return Asset(path.read_text("utf-8"), f"{_TYPES[path.suffix]}; charset=utf-8")
