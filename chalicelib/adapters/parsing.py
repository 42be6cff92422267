"""DynamoDB's pages as they came.

botocore walks every attribute of every item by the service's model: ten times the work of reading
the JSON, to find what the JSON had said, but for binary values. An extension by its component
`response_parser_factory`.
"""

import json
from typing import Any

from botocore.parsers import JSONParser, ResponseParser, ResponseParserFactory

#: All that these answers hold stands in the JSON in the model's own form, but for binary values.
_PAGES = {"QueryOutput", "BatchGetItemOutput"}


class PlainAnswers(ResponseParserFactory):
    """Reads pages of items fast, and everything else as botocore does."""

    def create_parser(self, protocol_name: str) -> ResponseParser:
        if protocol_name == "json":
            return _PageParser(**self._defaults)
        return super().create_parser(protocol_name)


class _PageParser(JSONParser):
    def parse(self, response: Any, shape: Any) -> Any:
        if not _is_plain_page(response, shape):
            return super().parse(response, shape)
        items = response["body"]
        # botocore makes the metadata, and leaves out what is null, of an answer without items.
        answer = super().parse(response | {"body": b"{}"}, shape)
        return answer | {name: value for name, value in json.loads(items).items() if value is not None}


def _is_plain_page(response: Any, shape: Any) -> bool:
    """Whether the JSON is the answer; with a binary value, or a name that looks like one, it isn't."""
    if response["status_code"] != 200 or shape is None or shape.name not in _PAGES:
        return False
    return b'"B"' not in response["body"] and b'"BS"' not in response["body"]
