"""What the images are made of, as one reproducible zip whose name is its content's."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

ROOT = Path(__file__).parents[2]
#: Where the CodeBuild project looks for it, too.
BUILDSPEC = "infra/buildspec.yaml"
#: The one list of what an image may be made of: each `!` line is a file, or a folder with `/**` behind it.
IGNORE = ".dockerignore"
_TAG_DIGITS = 16
#: Arguments of the Dockerfiles that nobody chose.
_NONE: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Sources:
    """A zip that CodeBuild makes both images of.

    Attributes:
        path: of the zip.
        tag: first 16 hexadecimal digits of the SHA-256 of its files' names and contents, and of the
            Dockerfiles' arguments that were chosen.
    """

    path: Path
    tag: str


def source_zip(folder: Path, root: Path = ROOT, chosen: Mapping[str, str] = _NONE) -> Sources:
    """Writes `<tag>.zip` into `folder`, the same to the last byte for the same sources.

    Args:
        folder: is made where it isn't there.
        root: the checkout.
        chosen: arguments of the Dockerfiles; those left out have the Dockerfiles' own values.

    Raises:
        FileNotFoundError: something that the images are made of is missing.
    """
    names = source_names(root)
    tag = source_tag(root, names, chosen)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{tag}.zip"
    # Under another name first: whoever finds the zip finds all of it.
    partial = path.with_suffix(".partial")
    with ZipFile(partial, "w", ZIP_STORED) as archive:  # a compressor's output is its version's
        for name in names:
            archive.writestr(_entry(name), (root / name).read_bytes())
    return Sources(partial.replace(path), tag)


def source_names(root: Path = ROOT) -> list[str]:
    """The files of which the images are made, and the three that say how; sorted, relative to `root`."""
    allowed = [line[1:] for line in (root / IGNORE).read_text().splitlines() if line.startswith("!")]
    found = [path for pattern in [*allowed, IGNORE, BUILDSPEC] for path in _files(root, pattern)]
    return sorted({path.relative_to(root).as_posix() for path in found})


def source_tag(root: Path = ROOT, names: list[str] | None = None, chosen: Mapping[str, str] = _NONE) -> str:
    """The tag that `source_zip` would give."""
    digest = hashlib.sha256()
    for name in source_names(root) if names is None else names:
        content = hashlib.sha256((root / name).read_bytes()).hexdigest()
        digest.update(f"{content}  {name}\n".encode())
    for name, value in sorted(chosen.items()):
        digest.update(f"{name}={value}\n".encode())
    return digest.hexdigest()[:_TAG_DIGITS]


def _files(root: Path, pattern: str) -> Iterator[Path]:
    path = root / pattern.removesuffix("/**")
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: {IGNORE} names it. Run this in a whole checkout.")
    inside = sorted(path.rglob("*")) if path.is_dir() else [path]
    return (each for each in inside if each.is_file() and "__pycache__" not in each.parts)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name)  # of 1980, the first year that a zip knows
    entry.external_attr = 0o100644 << 16
    return entry
