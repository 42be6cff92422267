"""The three spellings of one name: Python's snake_case, JSON's camelCase, DynamoDB's PascalCase."""

from functools import cache

_UPPER = {"id": "ID", "etag": "ETag"}


@cache
def camel(name: str) -> str:
    """`learning_rate` -> `learningRate`, for JSON."""
    head, *tail = name.split("_")
    return head + "".join(word.capitalize() for word in tail)


@cache
def pascal(name: str) -> str:
    """`project_id` -> `ProjectID`, for DynamoDB attributes."""
    return "".join(_UPPER.get(word, word.capitalize()) for word in name.split("_"))
