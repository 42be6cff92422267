"""Lambda's entry: `{resultsKey, image}`, the image in base64, to predictions, detections or an error."""

import os
import tempfile
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.contract.errors import ConflictError, DarkroomError, RejectedImageError, UnavailableError

from .images import read
from .models import Models
from .outputs import answer
from .store import S3Store

#: What is the caller's to know; anything else is a failure of the function.
_TOLD = (ConflictError, RejectedImageError, UnavailableError)


def handler(event: Mapping[str, Any], _: Any) -> dict[str, Any]:
    """What the model of a run says of an image.

    Args:
        event: `resultsKey`, the key of the run's results, which name the model; `image`, a file in base64.

    Returns:
        `predictions`, or `detections` with `width` and `height`; or `error` with `kind`, the name of a
        class of contract/errors.py, `code` and `message`.
    """
    try:
        model = models().get(event["resultsKey"])
        return answer(model, read(b64decode(event["image"]), model.side))
    except _TOLD as error:
        return {"error": _told(error)}


def _told(error: DarkroomError) -> dict[str, str]:
    return {"kind": type(error).__name__, "code": error.code, "message": error.detail}


@cache
def models() -> Models:
    """Those of this execution environment."""
    return Models(S3Store.of(os.environ["BUCKET"]), Path(tempfile.gettempdir()) / "models")
