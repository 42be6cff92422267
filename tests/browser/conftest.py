"""The console in the machine's own Chromium, against the embedded stack as a process."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from examples.digits import digits
from examples.stack import running_stack
from tests.browser.person import Person

#: Milliseconds that a busy machine may take for what is quick.
PATIENCE = 30_000
#: What the distributions call it.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="session")
def url() -> Iterator[str]:
    """Where a running stack listens."""
    with running_stack() as (url, _):
        yield url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    assert found, f"the browser tests need one of {', '.join(NAMES)}: apt-get install chromium"
    browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A page whose errors, refused scripts and requests to anywhere else fail the test."""
    context = browser.new_context(
        base_url=url, viewport={"width": 1360, "height": 900}, reduced_motion="reduce"
    )
    page, wrong = context.new_page(), []
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.on("pageerror", lambda error: wrong.append(f"uncaught: {error}"))
    page.on("console", lambda message: _noted(message, wrong))
    page.on("request", lambda request: _foreign(request.url, wrong))
    yield page
    context.close()
    assert wrong == []


def _noted(message: object, wrong: list[str]) -> None:
    """The browser itself logs each failed request; such are wanted by some tests, and told by the page."""
    if message.type == "error" and "Failed to load resource" not in message.text:
        wrong.append(message.text)


def _foreign(address: str, wrong: list[str]) -> None:
    parts = urlsplit(address)
    if parts.scheme in ("http", "https") and parts.hostname != "127.0.0.1":
        wrong.append(f"request to {address}")


@pytest.fixture
def person(page: Page, url: str) -> Person:
    """Somebody new, signed in, on the page of their projects."""
    return Person.signed_in(page, url)


@pytest.fixture(scope="session")
def digit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 digits in a folder a class, and a file that is no image."""
    root = tmp_path_factory.mktemp("digits") / "digits"
    files, labels = digits(48)
    for name, content in files:
        folder = root / f"digit {labels[name]}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (root / "notes.txt").write_text("no image")
    return root
