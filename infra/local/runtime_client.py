"""`python -m infra.local.runtime_client MODULE.HANDLER`: Lambda's runtime, for a function here.

It asks the Runtime API for events, one after the other, until nobody answers any more.
Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import os
import sys
import traceback
from collections.abc import Callable
from http.client import HTTPConnection
from importlib import import_module
from typing import Any

_PREFIX = "/2018-06-01/runtime"


def main() -> None:
    api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    module, _, name = sys.argv[1].rpartition(".")
    handler = getattr(import_module(module), name)
    while True:
        try:
            _handle_next(api, handler)
        except (ConnectionError, EOFError):
            return  # the stack has ended


def _handle_next(api: HTTPConnection, handler: Callable[[Any, Any], Any]) -> None:
    api.request("GET", f"{_PREFIX}/invocation/next")
    answer = api.getresponse()
    event = json.loads(answer.read())
    outcome, said = _outcome(handler, event)
    path = f"{_PREFIX}/invocation/{answer.headers['Lambda-Runtime-Aws-Request-Id']}/{outcome}"
    api.request("POST", path, json.dumps(said))
    api.getresponse().read()


def _outcome(handler: Callable[[Any, Any], Any], event: Any) -> tuple[str, Any]:
    try:
        return "response", handler(event, None)
    except Exception as error:  # noqa: BLE001 - as Lambda's runtime tells whatever a handler raises
        traceback.print_exc()
        return "error", {"errorType": type(error).__name__, "errorMessage": str(error)}


if __name__ == "__main__":
    main()
