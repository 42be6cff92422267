"""Lambda's Invoke, for functions that run here: moto would start a container for each.

Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
"""

import json
import os
import re
import sys
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from .functions import Configuration, Function, PayloadTooLargeError
from .runtime_api import FunctionError, FunctionTimeoutError

_ROOT = Path(__file__).parents[2]
_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
Invoke = Callable[[Any], Any]


class Invocations:
    """WSGI middleware that answers for the functions that it knows.

    Attributes:
        functions: by their names; another may be put in another's place.
    """

    def __init__(self, application: Application) -> None:
        self.functions: dict[str, Invoke] = {}
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        found = _PATH.fullmatch(environ["PATH_INFO"])
        function = self.functions.get(found[1]) if found else None
        if function is None:
            return self._application(environ, start_response)
        event = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
        status, headers, document = _invoked(function, event)
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4()), **headers}
        start_response(status, list(headers.items()))
        return [json.dumps(document).encode()]


def _invoked(function: Invoke, event: Any) -> tuple[str, dict[str, str], Any]:
    try:
        return "200 OK", {"X-Amz-Executed-Version": "$LATEST"}, function(event)
    except PayloadTooLargeError:
        code = "RequestTooLargeException"
        return "413 Request Entity Too Large", {"x-amzn-ErrorType": code}, {"Message": "over 6 MiB"}
    except FunctionError as error:
        return "200 OK", {"X-Amz-Function-Error": "Unhandled"}, _document(error)


def _document(error: FunctionError) -> Any:
    """What a handler raised, or what Lambda says of a process that it ended, or that ended."""
    try:
        return json.loads(str(error))
    except ValueError:
        is_late = isinstance(error, FunctionTimeoutError)
        return {
            "errorType": "Sandbox.Timedout" if is_late else "Runtime.ExitError",
            "errorMessage": f"RequestId: {uuid.uuid4()} Error: {error}",
        }


def local_predictor(name: str, variables: Mapping[str, str], log: Path) -> Function:
    """The predictor of this checkout, in processes that start when it is first invoked.

    Args:
        name: of the function.
        variables: where AWS is, and its bucket.
        log: takes what it says.
    """
    configuration = Configuration(
        name=name, arn=f"arn:aws:lambda:us-east-1:123456789012:function:{name}",
        handler="predictor.handler.handler", variables=variables, timeout_seconds=60, memory_mb=3008,
    )  # fmt: skip
    outside = machine_environment()
    client = "infra.local.runtime_client"
    return Function(configuration, Path(sys.executable), _ROOT, outside, log, client)


def machine_environment() -> dict[str, str]:
    """This process's own variables, but those of any AWS."""
    return {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
