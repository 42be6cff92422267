"""DynamoDB's client request tokens, which moto passes over.

A transaction that was carried out is a success when it comes again under its token, and changes
nothing: so the SDK may send one again whose answer was lost.
Source: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
"""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

#: DynamoDB keeps them for ten minutes.
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class _Done:
    actions: Any
    status: str
    headers: list[tuple[str, str]]
    chunks: list[bytes]


class Transactions:
    """WSGI middleware for TransactWriteItems alone; one request at a time."""

    def __init__(self, application: Callable[[dict[str, Any], Any], Iterable[bytes]]) -> None:
        self._application = application
        self._done: OrderedDict[str, _Done] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        request = json.loads(body)
        token, actions = request.get("ClientRequestToken"), request["TransactItems"]
        done = self._done.get(token) or self._carry_out(environ, token, actions)
        if done.actions != actions:
            return _mismatch(start_response)
        start_response(done.status, done.headers)
        return done.chunks

    def _carry_out(self, environ: dict[str, Any], token: str | None, actions: Any) -> _Done:
        begun: list[Any] = []
        chunks = list(self._application(environ, lambda *answer: begun.extend(answer[:2])))
        status, headers = begun
        done = _Done(actions, status, headers, chunks)
        if token and done.status.startswith("200"):
            self._done[token] = done
            if len(self._done) > _KEPT:
                self._done.popitem(last=False)
        return done


def _mismatch(start_response: Any) -> Iterable[bytes]:
    kind = "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
    body = json.dumps({"__type": kind, "message": "the token was used for other actions"})
    start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")])
    return [body.encode()]
