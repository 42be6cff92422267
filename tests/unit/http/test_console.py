"""The console's files: that they fit together, stay small, and keep to the policy they are served under."""

import gzip
import re
from hashlib import sha256
from pathlib import Path

import pytest

from chalicelib import console as package
from chalicelib.console import console
from chalicelib.services.console import ConsolePolicy
from tests.fakes import FakeStore

ROOT = Path(package.__file__).parent
ASSETS = console().assets
SCRIPTS = sorted(name for name in ASSETS if name.endswith(".js"))
OWN = [name for name in SCRIPTS if not name.startswith("vendor/")]
PAGES = sorted(name for name in OWN if name.startswith("views/"))
MAX_PAGE_BYTES = 60_000
_STATIC = re.compile(r'^(?:import|export)\b[^;]*?from "([^"]+)"|^import "([^"]+)"', re.MULTILINE)
_LAZY = re.compile(r'import\("([^"]+)"\)')
_VENDORED_STATIC = re.compile(r'from ?"(\./[^"]+)"')


def _imports(name: str, pattern: re.Pattern[str] = _STATIC) -> set[str]:
    if name.startswith("vendor/"):
        pattern = _VENDORED_STATIC if pattern is _STATIC else pattern
    folder = Path("/") / Path(name).parent
    found = {next(filter(None, each.groups())) for each in pattern.finditer(ASSETS[name].text)}
    return {str((folder / path).resolve().relative_to("/")) for path in found}


def _closure(name: str) -> set[str]:
    found, waiting = set(), {name}
    while waiting:
        found |= waiting
        waiting = {each for script in waiting for each in _imports(script)} - found
    return found


def _compressed(names: set[str]) -> int:
    return sum(len(gzip.compress(ASSETS[name].text.encode(), 6)) for name in names)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_import_is_served(name):
    """What a script imports, at once or later, is one of the files."""
    assert _imports(name) | _imports(name, _LAZY) <= ASSETS.keys()


def test_every_script_is_reached():
    """No file lies there that no page loads."""
    lazy = {each for name in OWN for each in _imports(name, _LAZY)}
    reached = {each for name in {"app/main.js", "app/reference.js"} | lazy for each in _closure(name)}
    assert reached == set(SCRIPTS)


def test_the_page_announces_what_its_script_needs():
    """The browser fetches all of the first scripts at once, not one after another."""
    announced = re.findall(r'modulepreload" href="/api/console/\w+/([^"]+)"', console().pages["index"])
    assert {*announced, "app/main.js"} == _closure("app/main.js")


@pytest.mark.parametrize("name", [*PAGES, "app/reference.js"])
def test_each_page_is_small_from_nothing(name):
    """All that a page needs, on a first visit, is under 60 KB compressed."""
    styles = {each for each in ASSETS if each.endswith(".css")}
    assert _compressed(_closure("app/main.js") | _closure(name) | styles) < MAX_PAGE_BYTES


def test_files_are_of_a_size_to_read():
    """No file of ours has over 250 lines."""
    assert max(len(ASSETS[name].text.splitlines()) for name in [*OWN, "app/base.css", "app/views.css"]) <= 250


@pytest.mark.parametrize("name", sorted(console().pages))
def test_pages_have_nothing_inline_and_nothing_from_elsewhere(name):
    """No inline script or style, and each address is one of ours."""
    text = console().pages[name]
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|javascript:", text)
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    files = [each.removeprefix(f"/api/console/{console().version}/") for each in addresses]
    assert all(each in ASSETS or each in ("/api/docs", "/api/openapi.json") for each in files)


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_files_name_no_other_origin(name):
    """Nothing is loaded from elsewhere: all works offline. XML's namespaces are names, not addresses."""
    assert set(re.findall(r"https?://[\w.]+", ASSETS[name].text)) <= {"http://www.w3.org"}


def test_vendored_files_are_those_that_are_recorded():
    """Each has the hash that VENDORED.md gives it, and a licence."""
    rows = re.findall(
        r"^\| `(\w+\.js)` \|.* \| ([0-9a-f]{64}) \|$", (ROOT / "VENDORED.md").read_text(), re.MULTILINE
    )
    vendored = {path.name: sha256(path.read_bytes()).hexdigest() for path in (ROOT / "vendor").glob("*.js")}
    assert dict(rows) == vendored
    assert all(name in (ROOT / "vendor" / "LICENSES.md").read_text() for name in vendored)


def test_policy_allows_our_scripts_alone_and_the_store():
    """Nothing inline and nothing from elsewhere, but pictures and uploads by the bucket."""
    policy = ConsolePolicy(FakeStore()).content_security_policy()
    rules = dict(each.split(" ", 1) for each in policy.split("; "))
    assert "unsafe" not in policy
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == "'self'"
    assert rules["img-src"].split() == ["'self'", "blob:", "data:", "https://store.example"]
    assert rules["connect-src"].split() == ["'self'", "https://store.example"]
    assert rules["frame-ancestors"] == rules["form-action"] == rules["base-uri"] == "'none'"
