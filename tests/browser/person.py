"""What a person does in the console, and what is looked at on each page."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from examples.http import Client

PASSWORD = "a darkroom of my own"
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
#: What alone can differ from theme to theme.
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


@dataclass
class Person:
    """Clicks and types; `client` does over HTTP what a test isn't about."""

    page: Page
    url: str
    name: str
    client: Client
    seen: set[str] = field(default_factory=set)

    @classmethod
    def signed_in(cls, page: Page, url: str) -> "Person":
        """A new user who has signed in before."""
        person = cls.new(page, url)
        account = {"username": person.name, "email": f"{person.name}@example.org", "password": PASSWORD}
        person.client.call("POST", "/api/users", account)
        here = person.log_in()
        page.goto("/")
        page.evaluate("token => localStorage.setItem('darkroom.refresh', token)", here["refreshToken"])
        page.reload()
        expect(person.heading("From a folder of images to a model")).to_be_visible()
        return person

    @classmethod
    def new(cls, page: Page, url: str) -> "Person":
        return cls(page, url, f"ada-{uuid4().hex[:8]}", Client(url))

    def log_in(self) -> Any:
        """A login of its own for `client`, and another one that is returned."""
        body = {"login": self.name, "password": PASSWORD}
        self.client.token = self.client.call("POST", "/api/auth/login", body)["accessToken"]
        return self.client.call("POST", "/api/auth/login", body)

    @classmethod
    def signed_up(cls, page: Page, url: str) -> "Person":
        """A new user, whose account was made by clicking."""
        person = cls.new(page, url)
        name = person.name
        page.goto("/")
        person.looks_at("sign-in")
        person.press("Create an account")
        for label, text in (("Username", name), ("Email", f"{name}@example.org")):
            page.get_by_label(label).fill(text)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        person.press("Create account")
        expect(page.get_by_role("heading", name="From a folder of images to a model")).to_be_visible()
        person.log_in()
        return person

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def follow(self, name: str) -> None:
        self.page.get_by_role("link", name=name, exact=True).click()

    def heading(self, name: str | re.Pattern[str]) -> Locator:
        return self.page.get_by_role("heading", name=name)

    def opens(self, *parts: str) -> None:
        self.page.goto("/api/#/" + "/".join(parts))

    def chooses(self, folder: Path) -> None:
        """Chooses a folder to upload."""
        with self.page.expect_file_chooser() as chooser:
            self.press("Choose a folder")
        chooser.value.set_files(str(folder))

    def looks_at(self, what: str) -> None:
        """Keeps a screenshot of both themes, and lets axe find nothing wrong with either."""
        assert what not in self.seen
        self.seen.add(what)
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("scrollTo(0, 0)")
        self._examine(what, "dark", COLOURS)
        self._examine(what, "light", RULES)

    def _examine(self, what: str, theme: Literal["light", "dark"], rules: dict[str, Any]) -> None:
        self.page.emulate_media(color_scheme=theme)
        self.page.screenshot(path=SCREENSHOTS / f"{what}-{theme}.png", full_page=True)
        found = Axe().run(self.page, options=rules).response["violations"]
        assert not found, [
            (
                each["id"],
                [node["html"][:200] for node in each["nodes"][:3]],
                each["nodes"][0]["failureSummary"],
            )
            for each in found
        ]

    def project(self, task_type: str = "classification") -> str:
        """The id of a new project."""
        body = {"projectName": "by hand", "taskType": task_type}
        return str(self.client.call("POST", "/api/projects", body)["projectId"])

    def has_images(self, project_id: str, files: list[tuple[str, bytes]]) -> dict[str, str]:
        """Uploads images over HTTP; file name -> image id."""
        answer: dict[str, Any] = self.client.send_images(f"/api/projects/{project_id}", files)
        return {each["fileName"]: each["imageId"] for each in answer["items"]}
