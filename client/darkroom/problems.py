"""Errors made of answers."""

import httpx

from .errors import DarkroomError, FieldProblem, error_of
from .retries import retry_after_seconds


def problem_of(response: httpx.Response) -> DarkroomError:
    """The error that an answer is."""
    kind, status = error_of(response.status_code), response.status_code
    try:
        document = response.json()
    except ValueError:
        document = None
    if not isinstance(document, dict) or "code" not in document:
        return kind(f"the server answered {status} {response.reason_phrase}".strip(), status=status)
    wrong = tuple(
        FieldProblem(str(each.get("pointer")), str(each.get("message")))
        for each in document.get("errors") or ()
        if isinstance(each, dict)
    )
    return kind(
        str(document.get("detail") or document.get("title") or status),
        code=str(document["code"]),
        hint=document.get("hint"),
        status=status,
        errors=wrong,
        request_id=document.get("requestId"),
        retry_after_seconds=retry_after_seconds(response.headers),
        document=document,
    )


def is_in_flight(response: httpx.Response) -> bool:
    """Whether a request that was sent before, under the same idempotency key, isn't over."""
    if response.status_code != 409 or "idempotency-key" not in response.request.headers:
        return False
    return problem_of(response).code == "request-in-flight"
