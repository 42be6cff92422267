"""What a file may be called, and a class."""

import unicodedata

from ..contract.errors import RejectedImageError

MAX_FILE_NAME = 255
MAX_CLASS_NAME = 100


def composed(text: str) -> str:
    """In Unicode's composed form (NFC), so that é is é however it was typed: macOS decomposes."""
    return unicodedata.normalize("NFC", text)


def folded(name: str) -> str:
    """What two names have in common that people take for one: case, width, and how an accent is typed."""
    return unicodedata.normalize("NFKC", name).casefold()


def file_name(raw: str | None) -> str:
    """A client's file name as it is kept and looked up, composed.

    A name is only ever data, never a path here; but exports write it to disks, so names that
    climb out of a folder are refused.

    Raises:
        RejectedImageError: it is empty, too long, or has a control character or a `..` in it.
    """
    name = composed(raw or "")
    if not name.strip():
        raise RejectedImageError("the file has no name", code="file-name-missing")
    if len(name.encode(errors="replace")) > MAX_FILE_NAME:
        raise RejectedImageError(f"the file name has over {MAX_FILE_NAME} bytes", code="file-name-too-long")
    parts = name.replace("\\", "/").split("/")
    if not {"", ".", ".."}.isdisjoint(parts) or parts[0].endswith(":") or _has_unprintable(name):
        raise RejectedImageError(
            "the file name is absolute, has an empty part, '.' or '..', or a control character",
            code="file-name-unsafe",
        )
    return name


def class_name_problem(name: str) -> str | None:
    """Why `name` can't be a class, or None."""
    if not name.strip():
        return "the class is empty"
    if len(name) > MAX_CLASS_NAME:
        return f"the class has over {MAX_CLASS_NAME} characters"
    if _has_unprintable(name):
        return "the class has a control character"
    return None


def _has_unprintable(name: str) -> bool:
    """Whether it has a control character or half of a surrogate pair."""
    # Most names are all printable, which is known in a fraction of the time of the loop.
    return not name.isprintable() and any(unicodedata.category(each) in ("Cc", "Cs") for each in name)
