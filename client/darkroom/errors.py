"""The client's one error tree; each has a sentence, and a hint where something can be done.

DarkroomError
├── ConfigurationError     what was asked for, or set, makes no sense here
├── ServerUnreachableError no answer, after several tries
├── UnexpectedAnswerError  an answer that this version of the client can't read
├── AuthenticationError    not logged in, or not any more
│   └── ForbiddenError     the API key has not the scope for it
├── NotFoundError          isn't there, or isn't yours
├── ConflictError          not in this state
├── InvalidRequestError    readable, but wrong; `errors` points at each field
├── RateLimitedError       too often, or too much at once
├── ServerError            something went wrong on the server's side
├── UploadError            nothing could be uploaded
├── TransferError          an import or export ended as failed
├── RunFailedError         a run ended as failed
├── DownloadError          what arrived isn't what was promised
└── WaitTimeoutError       what was waited for took longer than that
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field; `pointer` is a JSON pointer into the request, or a query parameter."""

    pointer: str
    message: str


class DarkroomError(Exception):
    """The base; never raised itself.

    Args:
        detail: one sentence that says what is wrong.
        code: the machine-readable kind, as the API has it.
        hint: what can be done about it.
        status: the HTTP status; None where there was no answer.
        errors: the fields that are wrong.
        request_id: by which the request is found in the server's log.
        retry_after_seconds: when the same call may work.
        document: the whole problem, as the API answered it.
    """

    default_code = "error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        status: int | None = None,
        errors: tuple[FieldProblem, ...] = (),
        request_id: str | None = None,
        retry_after_seconds: float | None = None,
        document: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.hint = hint
        self.status = status
        self.errors = errors
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds
        self.document = document or {}


class ConfigurationError(DarkroomError):
    default_code = "configuration"


class ServerUnreachableError(DarkroomError):
    default_code = "unreachable"


class UnexpectedAnswerError(DarkroomError):
    default_code = "unexpected-answer"


class AuthenticationError(DarkroomError):
    default_code = "unauthenticated"


class ForbiddenError(AuthenticationError):
    default_code = "forbidden"


class NotFoundError(DarkroomError):
    default_code = "not-found"


class ConflictError(DarkroomError):
    default_code = "conflict"


class InvalidRequestError(DarkroomError):
    default_code = "invalid-request"


class RateLimitedError(DarkroomError):
    default_code = "too-many-requests"


class ServerError(DarkroomError):
    default_code = "server-error"


class UploadError(DarkroomError):
    default_code = "upload-failed"


class TransferError(DarkroomError):
    default_code = "transfer-failed"


class RunFailedError(DarkroomError):
    default_code = "run-failed"


class DownloadError(DarkroomError):
    default_code = "download-failed"


class WaitTimeoutError(DarkroomError):
    default_code = "timeout"


_BY_STATUS: dict[int, type[DarkroomError]] = {
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


def error_of(status: int) -> type[DarkroomError]:
    """The class of a problem's HTTP status."""
    return _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)
