"""Wraps an app: handles one event many times in one invocation, with AWS's answers to the first."""

import importlib
import json
import os
from time import process_time
from typing import Any

import botocore.client

_call = botocore.client.BaseClient._make_api_call
_answers: dict[str, Any] = {}


def _answered_before(self: Any, operation: str, parameters: Any) -> Any:
    if operation not in _answers:
        _answers[operation] = _call(self, operation, parameters)
    return _answers[operation]


botocore.client.BaseClient._make_api_call = _answered_before
_inner = importlib.import_module(os.environ["MEASURED"]).app


def app(request: dict[str, Any], context: Any) -> dict[str, Any]:
    """Attributes of the answer: the status code, and the CPU seconds of each call."""
    text, seconds = json.dumps(request["event"]), []
    for _ in range(request["times"]):
        event = json.loads(text)
        started = process_time()
        answer = _inner(event, context)
        seconds.append(process_time() - started)
    return {"statusCode": answer["statusCode"], "seconds": seconds}
