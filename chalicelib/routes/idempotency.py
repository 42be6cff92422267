"""The Idempotency-Key header."""

from collections.abc import Mapping

from ..contract.errors import UnprocessableError

MAX_KEY = 255


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request came with.

    Raises:
        UnprocessableError: it is empty or longer than 255 characters.
    """
    key = headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise UnprocessableError("the Idempotency-Key has 1 to 255 characters", code="bad-idempotency-key")
    return key
