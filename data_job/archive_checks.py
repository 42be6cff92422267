"""What makes an archive one that nothing is taken from. Nothing is ever unpacked onto a disk."""

import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipInfo

from chalicelib.contract.errors import UnprocessableError
from chalicelib.services.filters import MAX_IMPORT_FILES

#: Of formats that Darkroom takes, and what begins such files.
IMAGE_EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"))
IMAGE_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM", b"II*\0", b"MM\0*")
#: Text that may hold annotations or tell of them.
DOCUMENT_EXTENSIONS = frozenset(
    (
        ".csv",
        ".tsv",
        ".txt",
        ".json",
        ".jsonl",
        ".manifest",
        ".xml",
        ".yaml",
        ".yml",
        ".md",
        ".names",
        ".data",
    )
)
ARCHIVE_EXTENSIONS = frozenset((".zip", ".gz", ".tgz", ".tar", ".7z", ".rar", ".bz2", ".xz", ".zst", ".jar"))
_ARCHIVE_MAGIC = (
    *(b"PK\3\4", b"PK\5\6", b"PK\7\x08", b"\x1f\x8b\x08", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07"),
    *(b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"),
)
#: Bytes that are needed to recognise a file: a tar says so at 257.
HEAD_BYTES = 262
_LOCAL_HEADER = 30
_IS_UTF_8 = 0x800  # a general-purpose flag of a member: bit 11
_JUNK = frozenset(("__macosx", "thumbs.db", "desktop.ini"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    total_bytes: int = 50 * 10**9
    members: int = MAX_IMPORT_FILES
    #: Uncompressed to compressed, of members that are larger than that.
    ratio: int = 200
    ratio_from_bytes: int = 10_000_000
    directory_bytes: int = 64 * 1024**2


def refuse(code: str, detail: str, hint: str) -> UnprocessableError:
    return UnprocessableError(detail, code=f"archive-{code}", hint=hint)


def extension(path: str) -> str:
    return PurePosixPath(path).suffix.casefold()


def is_folder(path: str) -> bool:
    return not path or path.endswith("/")


def is_junk(path: str) -> bool:
    """Whether it is what operating systems leave behind, or hidden."""
    return any(part.startswith(".") or part.casefold() in _JUNK for part in path.split("/"))


def is_archive(head: bytes) -> bool:
    bzip = head.startswith(b"BZh") and head[4:10] == b"1AY&SY"
    return head.startswith(_ARCHIVE_MAGIC) or bzip or head[257:262] == b"ustar"


def is_image(head: bytes) -> bool:
    return head.startswith(IMAGE_MAGIC) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP")


def check_members(members: Sequence[ZipInfo], directory_at: int, limits: Limits) -> None:
    """Refuses an archive by what its directory says.

    Args:
        members: its directory, as written.
        directory_at: where the directory begins, in bytes.
        limits: what is still taken.

    Raises:
        UnprocessableError: it is hostile, or damaged so that it looks like it.
    """
    if len(members) > limits.members:
        raise too_many(limits)
    total = sum(each.file_size for each in members)
    if total > limits.total_bytes:
        raise refuse(
            "too-large",
            f"the archive holds {total:,} bytes; up to {limits.total_bytes:,} are taken",
            "Split it into several archives and import each.",
        )
    for each in members:
        _check_member(each, limits)
    _check_overlaps(members, directory_at)


def too_many(limits: Limits) -> UnprocessableError:
    return refuse(
        "too-many-files",
        f"the archive has over {limits.members:,} files",
        "Split it into several archives and import each.",
    )


def path_of(member: ZipInfo) -> str:
    """The path of a member as its maker meant it.

    That is less the `./` that some tools write before each, with slashes where Windows PowerShell
    writes backslashes, and in UTF-8, which macOS writes without the flag that says so.
    """
    raw = member.orig_filename
    # From Python 3.12 on zipfile reads the field that some tools write the name in UTF-8 into.
    path = raw if "\0" in raw else member.filename
    if not (member.flag_bits & _IS_UTF_8 or path.isascii()):
        with suppress(UnicodeError):
            path = path.encode("cp437").decode()
    return re.sub(r"^(\./)+", "", path.replace("\\", "/"))


def check_path(path: str) -> None:
    """Refuses a path that would leave the folder that an archive is unpacked into."""
    if not path:  # the folder itself
        return
    parts = path.removesuffix("/").split("/")
    # Also what is absolute: its first part is empty.
    if "\0" in path or not {"", ".", ".."}.isdisjoint(parts) or re.match("[A-Za-z]:", path):
        raise refuse(
            "unsafe-path",
            f"{path[:200]!r} in the archive is absolute, climbs out of it, or has an empty part or NUL in it",
            "Make the archive from inside the folder of the data set.",
        )


def check_duplicates(paths: Iterable[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            raise refuse(
                "duplicate-name",
                f"the archive has {path[:200]!r} twice",
                "Rename one of the files, and make the archive anew.",
            )
        seen.add(path)


def nested(path: str) -> UnprocessableError:
    return refuse(
        "nested",
        f"{path[:200]!r} in the archive is an archive itself",
        "Unpack it first, and make one archive of all, or leave it out.",
    )


def _check_member(member: ZipInfo, limits: Limits) -> None:
    name = path_of(member)
    check_path(name)
    if member.flag_bits & 0x1:
        raise refuse("encrypted", f"{name[:200]!r} is encrypted", "Make the archive without a password.")
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise refuse(
            "special-file",
            f"{name[:200]!r} is a link or another special file",
            "Put the files themselves into the archive: zip follows links unless told -y.",
        )
    if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise refuse(
            "compression",
            f"{name[:200]!r} is compressed in a way that isn't taken (method {member.compress_type})",
            "Make the archive with the usual method, deflate, or without compression.",
        )
    if member.file_size > max(limits.ratio_from_bytes, limits.ratio * member.compress_size):
        raise refuse(
            "bomb",
            f"{name[:200]!r} unpacks to {member.file_size:,} bytes, over {limits.ratio} times as many",
            "Make the archive without compression: images are compressed already.",
        )
    if extension(name) in ARCHIVE_EXTENSIONS and not (is_junk(name) or is_folder(name)):
        raise nested(name)


def _check_overlaps(members: Sequence[ZipInfo], directory_at: int) -> None:
    """No two members may share bytes: with that a small archive unpacks to petabytes (D. Fifield, 2019)."""
    ordered = sorted(members, key=lambda each: each.header_offset)
    ends = [*(each.header_offset for each in ordered), directory_at][1:]
    for each, end in zip(ordered, ends, strict=False):
        # At least: the local header may have further fields.
        size = _LOCAL_HEADER + len(each.orig_filename) + each.compress_size
        if each.header_offset < 0 or each.header_offset + size > end:
            raise refuse(
                "overlap",
                f"{each.filename[:200]!r} shares bytes with what follows it in the archive",
                "Make the archive anew with an ordinary zip program.",
            )
