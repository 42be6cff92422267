"""The door in front of moto: refuses what AWS would refuse and moto lets through.

Unsigned requests, presigned URLs and POST policies are checked as S3 does, and DynamoDB gets one
request at a time. A request with an Authorization header is taken at its word: it comes from an SDK
on this machine.
"""

import json
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

from werkzeug.formparser import parse_form_data

from .policies import Upload, check_policy
from .signatures import Presigned, Refusal, check_presigned
from .tokens import Transactions

#: https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html
MAX_BATCH_WRITES = 25

#: Headers that WSGI gives without HTTP_ before their names.
_OWN_NAMES = ("content-type", "content-length")
Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Front:
    """WSGI middleware around moto's application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._transactions = Transactions(application)
        # moto's conditional writes read, then write: only one at a time is atomic.
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        try:
            _check(environ)
        except Refusal as refusal:
            return _answer(refusal, start_response)
        if environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            if _writes(environ) > MAX_BATCH_WRITES:
                return _too_many(start_response)
            is_transaction = environ["HTTP_X_AMZ_TARGET"].endswith(".TransactWriteItems")
            application = self._transactions if is_transaction else self._application
            with self._one_at_a_time:
                return application(environ, start_response)
        return self._application(environ, start_response)


def _writes(environ: dict[str, Any]) -> int:
    """The items of a BatchWriteItem, of which moto takes any number; 0 for another call."""
    if not environ["HTTP_X_AMZ_TARGET"].endswith(".BatchWriteItem"):
        return 0
    tables = json.loads(_body(environ))["RequestItems"]
    return sum(len(writes) for writes in tables.values())


def _body(environ: dict[str, Any]) -> bytes:
    """The request's body, which the application behind can read again."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = BytesIO(body)
    return body


def _too_many(start_response: Any) -> Iterable[bytes]:
    message = "Too many items requested for the BatchWriteItem call"
    body = json.dumps({"__type": "com.amazon.coral.validate#ValidationException", "message": message})
    start_response("400 Bad Request", [("Content-Type", "application/x-amz-json-1.0")])
    return [body.encode()]


def _check(environ: dict[str, Any]) -> None:
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    is_form = environ.get("CONTENT_TYPE", "").startswith("multipart/form-data")
    if "HTTP_AUTHORIZATION" in environ or environ["REQUEST_METHOD"] == "OPTIONS":
        return
    if "X-Amz-Signature" in query:
        check_presigned(_presigned(environ, query))
    elif environ["REQUEST_METHOD"] == "POST" and is_form:
        check_policy(_upload(environ))
    else:
        raise Refusal(403, "AccessDenied", "Access Denied")


def _presigned(environ: dict[str, Any], query: dict[str, str]) -> Presigned:
    headers = {
        name[5:].replace("_", "-").lower(): str(environ[name]) for name in environ if name[:5] == "HTTP_"
    }
    headers |= {name: environ.get(name.upper().replace("-", "_"), "") for name in _OWN_NAMES}
    path = urlsplit(environ["REQUEST_URI"]).path
    return Presigned(method=environ["REQUEST_METHOD"], path=path, query=query, headers=headers)


def _upload(environ: dict[str, Any]) -> Upload:
    """The form of a POST upload."""
    _, form, files = parse_form_data(environ | {"wsgi.input": BytesIO(_body(environ))}, _in_memory)
    fields = {name.lower(): value for name, value in form.items() if name.lower() != "file"}
    if "file" not in files:
        raise Refusal(400, "InvalidArgument", "POST requires exactly one file upload per request.")
    size = files["file"].stream.seek(0, 2)
    return Upload(bucket=environ["PATH_INFO"].strip("/"), fields=fields, size_bytes=size)


def _in_memory(*_: Any, **__: Any) -> IO[bytes]:
    return BytesIO()


def _answer(refusal: Refusal, start_response: Any) -> Iterable[bytes]:
    document = f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message></Error>"
    body = b'<?xml version="1.0" encoding="UTF-8"?>\n' + document.encode()
    headers = [
        ("Content-Type", "application/xml"),
        ("Content-Length", str(len(body))),
        ("Access-Control-Allow-Origin", "*"),
    ]
    start_response(f"{refusal.status} {refusal.code}", headers)
    return [body]
