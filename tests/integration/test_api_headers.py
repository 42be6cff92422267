"""The headers of every answer, and pages of other origins."""

from collections.abc import Iterator

import pytest

from app import app
from chalicelib.routes.headers import SECURITY
from tests.integration.conftest import Api, forget

PAGE = "https://app.example.org"
LOGIN = "/api/auth/login"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stage with two origins."""
    monkeypatch.setenv("CORS_ORIGINS", f"{PAGE},http://localhost:5173")
    forget()
    yield
    forget()


def _cors(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.startswith("Access-Control-")}


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type", "status"),
    [
        ("GET", "/api/openapi.json", b"", "application/json", 200),
        ("GET", "/api/projects", b"", "application/json", 200),
        ("GET", "/api/projects/none", b"", "application/json", 404),
        ("POST", "/api/projects", b"{", "application/json", 400),
        ("POST", "/api/projects", b"{}", "text/plain", 415),
        ("PUT", "/api/projects", b"{}", "application/json", 405),
        ("OPTIONS", "/api/projects", b"", "application/json", 204),
    ],
)
def test_every_answer_has_the_security_headers(
    api: Api, method: str, path: str, body: bytes, content_type: str, status: int
) -> None:
    """Answers, problems and Chalice's own errors alike: not framed, not sniffed, not kept."""
    answer = api.send(method, path, body, content_type)
    assert answer.status == status
    assert SECURITY.items() <= answer.headers.items()
    assert answer.headers["Vary"] == "Origin"
    assert _cors(answer.headers) == {}


def test_a_views_own_headers_go_first(api: Api) -> None:
    """What a view says of caching stands; the rest is added."""
    from chalice.app import Response

    from chalicelib.routes.headers import complete

    own = {"cache-control": "max-age=60", "Content-Security-Policy": "script-src 'self'", "Vary": "Accept"}
    request = type("Request", (), {"headers": {}})
    headers = complete(Response("", dict(own), 200), request).headers
    assert {name: headers[name] for name in own} == own | {"Vary": "Accept, Origin"}
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Cache-Control" not in headers


def test_without_configuration_no_page_reads_anything(nobody: Api) -> None:
    """By default neither a request nor a preflight names an origin."""
    for method in ("POST", "OPTIONS"):
        answer = nobody.call(method, LOGIN, {"login": "a", "password": "b"}, Origin=PAGE)
        assert _cors(answer.headers) == {}


def test_a_configured_page_reads_answers_and_errors(nobody: Api, configured: None) -> None:
    """Its origin is named, and no other; credentials are never allowed, and a wildcard never sent."""
    for origin, is_allowed in (
        (PAGE, True),
        ("http://localhost:5173", True),
        ("https://evil.example", False),
        (f"{PAGE}.evil.example", False),
        (PAGE.upper(), False),
        ("null", False),
        ("*", False),
    ):
        for method, path, status in (("GET", "/api/openapi.json", 200), ("GET", "/api/projects", 401)):
            answer = nobody.call(method, path, Origin=origin)
            assert answer.status == status
            assert answer.headers.get("Access-Control-Allow-Origin") == (origin if is_allowed else None)
            assert "Access-Control-Allow-Credentials" not in answer.headers
            assert answer.headers["Vary"] == "Origin"


def test_every_path_answers_preflights(nobody: Api, configured: None) -> None:
    """Each path names its methods and the headers that clients send, and asks for no token."""
    for path, methods in app.routes.items():
        asked = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        answer = nobody.call("OPTIONS", f"/api{path.replace('{', '').replace('}', '')}", **asked)
        assert (answer.status, answer.body) == (204, b"")
        assert set(answer.headers["Access-Control-Allow-Methods"].split(", ")) == set(methods)
        assert {"Authorization", "Content-Type", "Idempotency-Key"} <= set(
            answer.headers["Access-Control-Allow-Headers"].split(", ")
        )
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
