"""The function that tries models out."""

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from ..contract.errors import ConflictError, DarkroomError, RejectedImageError, UnavailableError
from ..services.prediction_ports import Classified, Detected, Detection, Prediction
from .aws import Aws, unavailable

_RETRY_AFTER_SECONDS = 5
_KINDS: dict[str, type[DarkroomError]] = {
    each.__name__: each for each in (ConflictError, RejectedImageError, UnavailableError)
}
#: What Lambda says of a function that it ended: it took too long, or its process died.
_ENDED = ("Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory")
_TIMED_OUT = "Task timed out after"


class PredictorError(Exception):
    """The function raised: a fault of ours, with what it said."""


class LambdaPredictor:
    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._name = name

    def predict(self, results_key: str, image: bytes) -> Classified | Detected:
        event = {"resultsKey": results_key, "image": b64encode(image).decode()}
        with unavailable():
            answer = self._aws.functions.invoke(FunctionName=self._name, Payload=json.dumps(event).encode())
            document = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise _failure(document)
        if "error" in document:
            raise _told(document["error"])
        return _read(document)


def _failure(document: Mapping[str, Any]) -> Exception:
    message = str(document.get("errorMessage", ""))
    if document.get("errorType") in _ENDED or _TIMED_OUT in message:
        return UnavailableError(
            "the prediction took too long, or too much memory",
            code="prediction-ended",
            hint="Try again, or with a smaller image.",
            retry_after_seconds=_RETRY_AFTER_SECONDS,
        )
    return PredictorError(f"{document.get('errorType')}: {message}")


def _told(error: Mapping[str, str]) -> DarkroomError:
    kind = _KINDS[error["kind"]]
    seconds = _RETRY_AFTER_SECONDS if kind is UnavailableError else None
    return kind(error["message"], code=error["code"], retry_after_seconds=seconds)


def _read(document: Mapping[str, Any]) -> Classified | Detected:
    if "predictions" in document:
        return Classified(tuple(Prediction(**each) for each in document["predictions"]))
    return Detected(
        tuple(Detection(each["label"], each["score"], tuple(each["box"])) for each in document["detections"]),
        document["width"],
        document["height"],
    )
