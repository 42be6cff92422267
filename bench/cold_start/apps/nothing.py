"""A handler without an import: what Python and Lambda's runtime client cost by themselves."""

from typing import Any


def app(_event: Any, _context: Any) -> dict[str, Any]:
    return {"statusCode": 200}
