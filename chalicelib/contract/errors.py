"""The error tree. `chalicelib/problems.py` maps it to HTTP; the container writes it to its session.

DarkroomError
├── RequestError                  what the caller sent or asked for
│   ├── MalformedError            the body can't be read
│   ├── UnauthenticatedError      no valid token
│   ├── ForbiddenError            an API key without the scope; says nothing of what is there
│   ├── NotFoundError             isn't there, or isn't yours: nobody can tell which
│   ├── ConflictError             not in this state
│   ├── TooLargeError             more than the limit
│   ├── UnsupportedMediaTypeError not this content type
│   ├── UnprocessableError        readable, but wrong; `errors` points at each field
│   └── TooManyRequestsError      more often, or more at once, than is allowed
├── RejectedImageError            one file isn't an image we take; noted at the file, never an HTTP error
├── UnavailableError              AWS said "slow down" or didn't answer: the same call may work later
│   └── ContendedError            another transaction holds the same row at this moment
└── TrainingError                 a run ends `failed`, with a reason its owner understands
    └── LostClaimError            another attempt owns the session: this process may write nothing
"""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field. `pointer` is a JSON pointer (RFC 6901) into the body."""

    pointer: str
    message: str


class DarkroomError(Exception):
    """The base; never raised itself.

    Args:
        detail: one sentence that says what is wrong, for a person.
        code: the machine-readable kind, kebab-case; stable across releases.
        hint: what the caller can do about it.
        errors: the fields that are wrong.
        retry_after_seconds: when the same call may work.
        extra: further members of the problem document.
    """

    default_code: ClassVar[str] = "error"

    def __init__(
        self,
        detail: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        errors: list[FieldError] | None = None,
        retry_after_seconds: int | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.code = code or self.default_code
        self.hint = hint
        self.errors = errors or []
        self.retry_after_seconds = retry_after_seconds
        self.extra = extra or {}


class RequestError(DarkroomError):
    default_code = "bad-request"


class MalformedError(RequestError):
    default_code = "malformed"


class UnauthenticatedError(RequestError):
    default_code = "unauthenticated"


class ForbiddenError(RequestError):
    default_code = "forbidden"


class NotFoundError(RequestError):
    default_code = "not-found"


class ConflictError(RequestError):
    default_code = "conflict"


class TooLargeError(RequestError):
    default_code = "too-large"


class UnsupportedMediaTypeError(RequestError):
    default_code = "unsupported-media-type"


class UnprocessableError(RequestError):
    default_code = "unprocessable"


class TooManyRequestsError(RequestError):
    default_code = "too-many-requests"


class RejectedImageError(DarkroomError):
    default_code = "rejected"


class UnavailableError(DarkroomError):
    default_code = "unavailable"


class ContendedError(UnavailableError):
    """Nothing was written; within a second the same call works."""


class TrainingError(DarkroomError):
    default_code = "training-failed"


class LostClaimError(TrainingError):
    default_code = "lost-claim"
