"""The console over HTTP: pages, files, caches, and where its policy lets the browser go."""

import re
from urllib.parse import urlsplit

import pytest

from chalicelib.console import console
from tests.integration.conftest import Api


@pytest.mark.parametrize(("path", "title"), [("/api/", "Darkroom"), ("/api/docs", "API reference")])
def test_pages_are_served_under_their_policy(nobody: Api, api: Api, path: str, title: str) -> None:
    """HTML that is asked for anew each time, framed nowhere, and may reach the bucket that forms lead to."""
    page = nobody.call("GET", path)
    assert page.status == 200
    assert f"<title>{title}" in page.body.decode()
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy

    file = {"fileName": "a.png", "sizeBytes": 1, "contentType": "image/png"}
    form = api.call("POST", f"{api.project()}/data/uploads", {"files": [file]}).json
    assert f"{urlsplit(form['url']).scheme}://{urlsplit(form['url']).netloc}" in re.split("[; ]+", policy)


def test_page_that_is_known_is_not_sent_again(nobody: Api) -> None:
    """304 for the ETag of the page as it is, and the page for another one."""
    etag = nobody.call("GET", "/api/").headers["ETag"]
    known = nobody.send("GET", "/api/", **{"If-None-Match": etag})
    assert (known.status, known.body) == (304, b"")
    assert nobody.send("GET", "/api/", **{"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("app/main.js", "text/javascript"), ("app/base.css", "text/css"), ("app/icon.svg", "image/svg+xml")],
)
def test_files_are_kept_for_ever(nobody: Api, name: str, media_type: str) -> None:
    """A file has its version in its address, so that no cache ever asks for it twice."""
    file = nobody.call("GET", f"/api/console/{console().version}/{name}")
    assert (file.status, file.body.decode()) == (200, console().assets[name].text)
    assert file.headers["Content-Type"] == f"{media_type}; charset=utf-8"
    assert "immutable" in file.headers["Cache-Control"]
    assert file.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "{version}/app/missing.js",
        "other/app/main.js",
        "{version}/vendor/LICENSES.md",
        "{version}/../__init__.py",
        "{version}/app/%2e%2e",
    ],
)
def test_nothing_else_is_served(nobody: Api, path: str) -> None:
    """Only the files that were found at the start, and only under the version that they have."""
    answer = nobody.call("GET", f"/api/console/{path.format(version=console().version)}")
    assert (answer.status, answer.problem()) == (404, "file-not-found")
