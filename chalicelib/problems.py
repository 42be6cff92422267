"""Every error as RFC 9457 problem+json: the one table from the error tree to HTTP."""

from typing import Any

from chalice.app import Response
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from .contract import errors
from .contract.errors import DarkroomError, FieldError
from .schemas import patterns

MEDIA_TYPE = "application/problem+json"
_LIKE_AN_ID = "not of the form that this has, such as the id in an earlier answer"

#: The first class that an error is an instance of decides.
STATUS: dict[type[DarkroomError], tuple[int, str]] = {
    errors.MalformedError: (400, "Malformed request"),
    errors.UnauthenticatedError: (401, "Not authenticated"),
    errors.ForbiddenError: (403, "Forbidden"),
    errors.NotFoundError: (404, "Not found"),
    errors.ConflictError: (409, "Conflict"),
    errors.TooLargeError: (413, "Too large"),
    errors.UnsupportedMediaTypeError: (415, "Unsupported media type"),
    errors.UnprocessableError: (422, "Unprocessable"),
    errors.TooManyRequestsError: (429, "Too many requests"),
    errors.RequestError: (400, "Bad request"),
    errors.UnavailableError: (503, "Temporarily unavailable"),
}

#: Chalice's own errors, by status: code, title, detail, hint.
_CHALICE: dict[int, tuple[str, str, str, str | None]] = {
    400: ("bad-request", "Bad request", "the request can't be read", None),
    405: ("method-not-allowed", "Method not allowed", "this path doesn't know this method", None),
    415: (
        "unsupported-media-type",
        "Unsupported media type",
        "this path doesn't take this content type",
        "Send Content-Type: application/json, or multipart/form-data for images.",
    ),
    500: ("internal-error", "Internal error", "something went wrong on our side", "Quote the requestId."),
}


def problem(error: DarkroomError, request_id: str) -> Response:
    """The answer to an error of our own."""
    status, title = next(
        (entry for kind, entry in STATUS.items() if isinstance(error, kind)), (500, "Internal error")
    )
    headers: dict[str, str | list[str]] = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    pointers = [{"pointer": each.pointer, "message": each.message} for each in error.errors]
    extra = {"errors": pointers} if pointers else {}
    return _response(
        status, title, error.detail, error.code, request_id, error.hint, headers, extra | error.extra
    )


def internal_problem(request_id: str) -> Response:
    return chalice_problem(Response("", status_code=500), request_id)


def chalice_problem(response: Response, request_id: str) -> Response:
    """Chalice's own error in our shape."""
    status = response.status_code
    code, title, detail, hint = _CHALICE.get(status, ("error", "Error", "the request failed", None))
    headers = {name: value for name, value in response.headers.items() if name.lower() != "content-type"}
    return _response(status, title, detail, code, request_id, hint, headers, {})


def is_chalice_error(response: Response) -> bool:
    body = response.body
    return response.status_code >= 400 and isinstance(body, dict) and body.keys() == {"Code", "Message"}


def unprocessable(error: ValidationError) -> errors.UnprocessableError:
    """What pydantic found wrong, each with its JSON pointer."""
    wrong = error.errors(include_url=False)[:100]
    found = [FieldError(_pointer(each["loc"]), message(each)) for each in wrong]
    return errors.UnprocessableError(
        "the request has wrong values", code="invalid-fields", hint="See errors.", errors=found
    )


def message(wrong: ErrorDetails) -> str:
    """What pydantic says is wrong, for people: our sentences without its prefix, and no patterns."""
    if wrong["type"] == "string_pattern_mismatch":
        return patterns.MEANING.get(wrong["ctx"]["pattern"], _LIKE_AN_ID)
    return wrong["msg"].removeprefix("Value error, ")


def _pointer(location: tuple[int | str, ...]) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _response(
    status: int,
    title: str,
    detail: str,
    code: str,
    request_id: str,
    hint: str | None,
    headers: dict[str, str | list[str]],
    extra: dict[str, Any],
) -> Response:
    body: dict[str, Any] = {
        "type": f"urn:darkroom:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
        "requestId": request_id,
    }
    if hint:
        body["hint"] = hint
    return Response(body | extra, {"Content-Type": MEDIA_TYPE, **headers}, status)
