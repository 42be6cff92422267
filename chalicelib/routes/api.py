"""How every endpoint is declared, admitted, parsed, answered and logged: once, here.

An endpoint is closed unless it is declared public: a forgotten decision refuses everybody.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalice.app import Blueprint, Response
from pydantic import BaseModel, TypeAdapter, ValidationError

from .. import bootstrap
from ..contract.errors import DarkroomError, FieldError, UnprocessableError
from ..contract.ids import is_ulid, ulid
from ..contract.records import Scope
from ..logs import about, invocation, note
from ..problems import internal_problem, message, problem, unprocessable
from ..services.access import Admitted
from .body import read_json


@dataclass(frozen=True, slots=True)
class Call:
    """One request, admitted and with its body checked."""

    path: Mapping[str, str]
    query: Mapping[str, Any]
    headers: Mapping[str, str]
    raw: bytes
    request_id: str
    body: Any = None
    source_address: str = ""
    _admitted: Admitted | None = None

    @property
    def admitted(self) -> Admitted:
        if self._admitted is None:
            raise RuntimeError("a public endpoint has nobody admitted")
        return self._admitted


@dataclass(frozen=True, slots=True)
class Answered:
    """What a view answers: a status, a model, and headers."""

    status: int
    body: BaseModel | str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its type with bounds, its default, its meaning."""

    kind: Any
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as declared; the OpenAPI document is made from these."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, type[BaseModel] | None]
    body: type[BaseModel] | None
    content_type: str
    query: Mapping[str, Query]
    headers: Mapping[str, str]
    public: bool
    name: str
    body_optional: bool
    file: str | None
    scope: Scope | None
    problems: Collection[int]

    @property
    def has_body(self) -> bool:
        return self.body is not None or self.content_type != "application/json"


#: The API's stage in API Gateway: the first part of every URL's path, which it takes off before it routes.
STAGE = "api"

View = Callable[[Call], Answered]


class Api(Blueprint):
    """A Blueprint whose endpoints are admitted, parsed and answered alike."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name)
        self.endpoints: list[Endpoint] = []

    def endpoint(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        answers: Mapping[int, type[BaseModel] | None],
        body: type[BaseModel] | None = None,
        content_type: str = "application/json",
        query: Mapping[str, Query] | None = None,
        headers: Mapping[str, str] | None = None,
        public: bool = False,
        body_optional: bool = False,
        file: str | None = None,
        scope: Scope | None = None,
        problems: Collection[int] = (),
    ) -> Callable[[View], View]:
        """Declares a view.

        Args:
            method: HTTP method.
            path: as users see it, stage first and ids in braces; a {projectId} or {sessionId} is admitted.
            summary: one sentence for the documentation.
            answers: status -> model of the body.
            body: model of the JSON that comes in.
            content_type: of what comes in.
            query: name -> query parameter.
            headers: name -> meaning of the request headers that the view reads.
            public: whether it needs no token.
            body_optional: whether no body at all is taken for an empty object.
            file: the field of the one file that comes in; without it several may come in `images`.
            scope: which an API key must have to be enough; without one none is.
            problems: statuses of its errors, beside those that follow from the rest: see openapi.py.
        """

        def declare(view: View) -> View:
            declared = Endpoint(
                method,
                path,
                summary,
                answers,
                body,
                content_type,
                query or {},
                headers or {},
                public,
                view.__name__,
                body_optional,
                file,
                scope,
                problems,
            )
            self.endpoints.append(declared)

            def run(**path_ids: str) -> Response:
                exchange = _Exchange(declared, view, self.current_request, path_ids)
                with about(requestId=exchange.request_id, functionRequestId=invocation(self.lambda_context)):
                    return exchange.answer()

            self.route(
                path.removeprefix(f"/{STAGE}"),
                methods=[method],
                name=view.__name__,
                # What has no body takes any type of none.
                content_types=[content_type] if declared.has_body else ["*/*"],
            )(run)
            return view

        return declare


class _Exchange:
    """One request on its way through."""

    def __init__(self, endpoint: Endpoint, view: View, request: Any, path_ids: Mapping[str, str]) -> None:
        self._endpoint = endpoint
        self._view = view
        self._request = request
        self._path_ids = path_ids
        self.request_id = request_id(request)

    def answer(self) -> Response:
        """Runs the view; whatever goes wrong becomes a problem and one line in the log."""
        started = time.perf_counter()
        code = None
        try:
            response = _serialized(self._view(self._call()))
        except DarkroomError as error:
            code = error.code
            response = problem(error, self.request_id)
        except Exception:  # noqa: BLE001 - the outermost edge: nothing may leave it as anything but a problem
            code = "internal-error"
            bootstrap.log().exception("unforeseen")
            response = internal_problem(self.request_id)
        self._log(response.status_code, code, time.perf_counter() - started)
        response.headers.setdefault("X-Request-Id", self.request_id)
        return response

    def _call(self) -> Call:
        headers = self._request.headers
        admitted = None
        if not self._endpoint.public:
            admitted = bootstrap.services().access.admit(
                headers.get("authorization"),
                self._path_ids.get("projectId"),
                self._path_ids.get("sessionId"),
                self._endpoint.scope,
            )
            # Not before: what nobody was admitted to is only what somebody has written.
            # Whatever else stands in a path may be a secret that somebody mistook for an id.
            ids = {name: each for name, each in self._path_ids.items() if is_ulid(each)}
            note(userId=admitted.user.user_id, **ids)
        raw = self._request.raw_body or b""
        return Call(
            path=self._path_ids,
            query=self._query(),
            headers=headers,
            raw=raw,
            request_id=self.request_id,
            body=self._body(raw),
            source_address=_source_address(self._request),
            _admitted=admitted,
        )

    def _body(self, raw: bytes) -> BaseModel | None:
        model = self._endpoint.body
        if model is None or self._endpoint.content_type != "application/json":
            return None
        is_left_out = self._endpoint.body_optional and not raw
        try:
            return model.model_validate({} if is_left_out else read_json(raw))
        except ValidationError as error:
            raise unprocessable(error) from error

    def _query(self) -> dict[str, Any]:
        sent = dict(self._request.query_params or {})
        values: dict[str, Any] = {}
        for name, declared in self._endpoint.query.items():
            values[name] = _parsed(name, declared, sent.pop(name)) if name in sent else declared.default
        if sent:
            unknown = [FieldError(f"?{name}", "unknown query parameter") for name in sent]
            raise UnprocessableError("the query has unknown parameters", code="invalid-query", errors=unknown)
        return values

    def _log(self, status: int, code: str | None, seconds: float) -> None:
        bootstrap.log().info(
            f"{self._endpoint.method} {self._endpoint.path} {status}",
            status=status,
            code=code,
            milliseconds=round(1000 * seconds, 1),
        )


def _parsed(name: str, declared: Query, text: str) -> Any:
    try:
        return TypeAdapter(declared.kind).validate_python(text)
    except ValidationError as error:
        wrong = [FieldError(f"?{name}", message(error.errors()[0]))]
        raise UnprocessableError("the query has wrong values", code="invalid-query", errors=wrong) from error


def _serialized(answered: Answered) -> Response:
    body = answered.body
    text = body.model_dump_json(by_alias=True) if isinstance(body, BaseModel) else body
    headers: dict[str, str | list[str]] = {"Content-Type": "application/json", **answered.headers}
    return Response(text, headers, answered.status)


def _source_address(request: Any) -> str:
    """Where API Gateway got a request from; what the request says of that itself counts for nothing."""
    context = getattr(request, "context", None) or {}
    return str((context.get("identity") or {}).get("sourceIp") or "")


def request_id(request: Any) -> str:
    """API Gateway's id of a request, by which its log lines are found; a new one where there is none."""
    context = getattr(request, "context", None) or {}
    return str(context.get("requestId") or ulid(int(1000 * time.time())))
