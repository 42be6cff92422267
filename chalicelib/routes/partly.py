"""Requests of many items, of which some may fail."""

from typing import Protocol

from ..contract.errors import UnprocessableError
from ..schemas.base import Answer
from .api import Answered


class _Summary(Protocol):
    @property
    def failed(self) -> int: ...


def partly(answer: Answer, summary: _Summary, stored: int, *, noun: str, success: int = 200) -> Answered:
    """All of the items stored is `success`, some of them 207.

    Args:
        answer: with the failures among its items.
        summary: the answer's.
        stored: how many items were stored.
        noun: what an item is: "label".
        success: the status when none failed.

    Raises:
        UnprocessableError: none was; the problem has the members of the answer.
    """
    if not stored:
        raise UnprocessableError(
            f"none of the {noun}s was stored",
            code=f"no-{noun}-stored",
            hint="See items for the reason of each.",
            extra=answer.model_dump(by_alias=True, mode="json"),
        )
    return Answered(207 if summary.failed else success, answer)
