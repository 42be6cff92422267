"""What every answer carries, whoever made it, and which pages of other origins may read it.

A view's own headers go before these: a page that is served here brings its own policy and caching.
"""

from collections.abc import Mapping
from typing import Any

from chalice.app import Chalice, Response

from .. import bootstrap

#: infra/functions.yaml has the same for what API Gateway answers by itself.
SECURITY: Mapping[str, str] = {
    "Strict-Transport-Security": "max-age=63072000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_SENT = "Authorization, Content-Type, Idempotency-Key, If-None-Match"
_READ = "ETag, Idempotent-Replayed, Location, Retry-After, WWW-Authenticate, X-Request-Id"
#: For how long a browser remembers what it may send; Chromium takes no more.
_REMEMBERED_SECONDS = 7200


def complete(response: Response, request: Any) -> Response:
    """Adds what the view hasn't set, and lets pages of the configured origins read the answer."""
    own = {name.lower() for name in response.headers}
    response.headers.update({name: value for name, value in SECURITY.items() if name.lower() not in own})
    varies = [str(response.headers["Vary"])] if "Vary" in response.headers else []
    response.headers["Vary"] = ", ".join([*varies, "Origin"])
    if origin := allowed_origin(request):
        response.headers |= {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": _READ,
        }
    return response


def allowed_origin(request: Any) -> str | None:
    """The origin of the page that sent a request, where it is one of the configured."""
    origin = request.headers.get("origin")
    return origin if origin and origin in bootstrap.settings().origins else None


def answer_preflights(app: Chalice) -> None:
    """Answers OPTIONS on every path that has been registered.

    Tokens travel in a header that a page sets itself, never in cookies: no answer allows credentials.
    """
    for path, methods in list(app.routes.items()):
        _answer_preflight(app, path, ", ".join([*sorted(methods), "OPTIONS"]))


def _answer_preflight(app: Chalice, path: str, methods: str) -> None:
    def preflight(**_: str) -> Response:
        headers: dict[str, str | list[str]] = {"Allow": methods}
        if allowed_origin(app.current_request):
            headers |= {
                "Access-Control-Allow-Methods": methods,
                "Access-Control-Allow-Headers": _SENT,
                "Access-Control-Max-Age": str(_REMEMBERED_SECONDS),
            }
        return Response("", headers, 204)

    app.route(path, methods=["OPTIONS"], content_types=["*/*"], name="preflight")(preflight)
