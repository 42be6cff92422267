"""The web console's pages and files."""

from ..bootstrap import services
from ..console import console
from ..contract.errors import NotFoundError
from .api import Answered, Api, Call

api = Api(__name__)

#: Whatever changes changes the version, and with it the URL.
_FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


@api.endpoint("GET", "/api/", summary="The web console.", answers={200: None, 304: None}, public=True)
def show_console(call: Call) -> Answered:
    return _page("index", call)


@api.endpoint(
    "GET", "/api/docs", summary="The API reference, for people.", answers={200: None, 304: None}, public=True
)
def show_reference(call: Call) -> Answered:
    return _page("docs", call)


@api.endpoint(
    "GET",
    "/api/console/{version}/{folder}/{file}",
    summary="A file of the web console.",
    answers={200: None},
    public=True,
)
def console_file(call: Call) -> Answered:
    found = console()
    asset = found.assets.get(f"{call.path['folder']}/{call.path['file']}")
    if asset is None or call.path["version"] != found.version:
        raise NotFoundError("the console has no such file: reload its page", code="file-not-found")
    return Answered(200, asset.text, {"Content-Type": asset.media_type, **_FOREVER})


def _page(name: str, call: Call) -> Answered:
    found = console()
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Cache-Control": "no-cache",
        "ETag": f'"{found.version}"',
        "Content-Security-Policy": services().console_policy.content_security_policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    if headers["ETag"] in call.headers.get("if-none-match", ""):
        return Answered(304, "", headers)
    return Answered(200, found.pages[name], headers)
