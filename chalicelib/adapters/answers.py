"""What a decoder answers, checked like a stranger's word."""

import base64
import json
from typing import Any

from ..contract.errors import RejectedImageError
from ..contract.pictures import MAX_PIXELS
from ..services.ports import Picture
from .decoder import PICTURE, REFUSED
from .pictures import CONTENT_TYPES


class DecoderError(Exception):
    """A decoder died, or has to be ended."""


def checked(kind: int, body: bytes) -> Picture | RejectedImageError:
    """An answer of whatever the decoder has become, in its bounds.

    Raises:
        DecoderError: none of ours would say that.
    """
    try:
        members: dict[str, Any] = json.loads(body)
        if kind == REFUSED:
            return RejectedImageError(str(members["detail"])[:1000], code=str(members["code"])[:100])
        if kind == PICTURE:
            picture = Picture(**members | {"thumbnail": base64.b64decode(members["thumbnail"])})
            if _is_possible(picture):
                return picture
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise DecoderError("its answer can't be read") from error
    raise DecoderError("its answer can't be true")


def _is_possible(picture: Picture) -> bool:
    sides = (picture.width, picture.height)
    return (
        picture.content_type in CONTENT_TYPES.values()
        and all(type(each) is int and each > 0 for each in sides)
        and picture.width * picture.height <= MAX_PIXELS
        and picture.thumbnail.startswith(b"\xff\xd8\xff")
        and len(bytes.fromhex(picture.perceptual_hash)) == 16
    )
