"""What must stay secret is in no log, whatever is sent where."""

import json
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit
from uuid import uuid4

import pytest
import urllib3

from examples.digits import digits
from examples.stack import running_stack

CLIENTS = 4


class Canaries:
    """A user whose every secret is remembered, and who sends them to places where they don't belong."""

    def __init__(self, url: str, seed: int) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=1)
        self._random = random.Random(seed)
        self._name = f"canary-{uuid4().hex[:12]}"
        self.secrets: set[str] = set()
        self.password = self._secret(f"canary-{uuid4().hex}")
        self.tokens: dict[str, str] = {}
        self.statuses: list[int] = []
        email = f"{self._name}@example.org"
        self._call("POST", "/api/users", {"username": self._name, "email": email, "password": self.password})
        self._log_in()
        key = self._call("POST", "/api/users/me/keys", {"name": "canary", "scopes": ["read"]})
        self._secret(key["key"])
        project = self._call("POST", "/api/projects", {"projectName": "canaries"})
        self._project = f"/api/projects/{project['projectId']}"
        self._sign()

    def _secret(self, text: str) -> str:
        self.secrets.add(text)
        return text

    def _log_in(self) -> None:
        """Anew where a misuse has ended the login; where too many have failed, the old tokens stay."""
        answer = self._call("POST", "/api/auth/login", {"login": self._name, "password": self.password})
        if "accessToken" in answer:
            self._keep(answer)

    def _refresh(self) -> None:
        answer = self._call("POST", "/api/auth/refresh", {"refreshToken": self.tokens["refreshToken"]})
        if "accessToken" in answer:
            self._keep(answer)
        else:
            self._log_in()

    def _keep(self, answer: Any) -> None:
        """Signatures by themselves as well: what is before them can be guessed."""
        self.tokens = {name: self._secret(answer[name]) for name in ("accessToken", "refreshToken")}
        self.secrets |= {token.rsplit(".", 1)[1] for token in self.tokens.values()}

    def _sign(self) -> None:
        """Signed forms and URLs: whoever has one may do what it says."""
        [file] = digits(1)[0]
        body, kind = urllib3.encode_multipart_formdata([("images", (*file, "image/png"))])
        self._send("POST", f"{self._project}/data/images", body, {"Content-Type": kind})
        announced = {"files": [{"fileName": "a.png", "sizeBytes": 9, "contentType": "image/png"}]}
        fields = self._call("POST", f"{self._project}/data/uploads", announced)["fields"]
        self.secrets |= {fields["policy"], fields["x-amz-signature"]}
        for image in self._call("GET", f"{self._project}/data/images")["items"]:
            self._secret(parse_qs(urlsplit(image["url"]).query)["X-Amz-Signature"][0])

    def misuse(self) -> None:
        """One request with a secret in it, most often where none belongs."""
        ways: list[Callable[[str], Any]] = [
            lambda each: self._call("POST", "/api/auth/login", {"login": self._name, "password": each}),
            lambda each: self._call("POST", "/api/auth/login", {"login": each, "password": each}),
            lambda each: self._call("POST", "/api/users", {"username": each, "email": each, "password": 7}),
            lambda each: self._call("POST", "/api/users", {each: each}),
            lambda each: self._call("POST", "/api/auth/refresh", {"refreshToken": each}),
            lambda each: self._call("POST", "/api/auth/logout", {"refreshToken": each, "everywhere": each}),
            lambda each: self._call("POST", self._project + "/data/labels", {"labels": {each: each}}),
            lambda each: self._call("POST", self._project + "/training/start", key=each),
            lambda each: self._call("PUT", self._project + "/training/configure", {"optimizer": each}),
            lambda each: self._call("GET", f"{self._project}/data/images?cursor={quote(each)}"),
            lambda each: self._call("GET", f"{self._project}?token={quote(each)}"),
            lambda each: self._call("GET", f"/api/projects/{quote(each, safe='')}"),
            lambda each: self._call("DELETE", f"/api/nothing/{quote(each, safe='')}"),
            lambda each: self._send("POST", "/api/projects", f'{{"projectName": {each}'.encode(), {}),
            lambda each: self._send("GET", "/api/users/me", None, {"Authorization": f"Basic {each}"}),
            lambda each: self._send("GET", "/api/projects", None, {"Authorization": f"Bearer {each}"}),
            lambda each: self._call("DELETE", f"/api/users/me/keys/{quote(each, safe='')}"),
            lambda each: self._call("POST", "/api/users/me/password", {"currentPassword": each, each: each}),
            lambda _: self._refresh(),
        ]  # fmt: skip
        self._random.choice(ways)(self._random.choice(sorted(self.secrets)))

    def _call(self, method: str, path: str, body: Any = None, key: str | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key[:64]} if key else {})
        if token := self.tokens.get("accessToken"):
            headers["Authorization"] = f"Bearer {token}"
        return self._send(method, path, None if body is None else json.dumps(body).encode(), headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
        if "Authorization" not in headers and self.tokens:
            headers = headers | {"Authorization": f"Bearer {self.tokens['accessToken']}"}
        answer = self._pool.request(method, self._url + path, body=body, headers=headers, retries=False)
        self.statuses.append(answer.status)
        return json.loads(answer.data) if answer.data else None


@pytest.fixture
def logging_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A stack of its own, whose functions log all they can."""
    monkeypatch.setenv("POWERTOOLS_LOG_LEVEL", "DEBUG")
    log = tmp_path / "log"
    with running_stack(log=log) as (url, _):
        yield url, log


@pytest.mark.injects(
    "a password, token or signature sent anywhere in a request",
    times=120,
    soak=10_000,
    outcome="in no line of any log, and no 5xx",
)
def test_no_secret_is_ever_logged(logging_stack: tuple[str, Path], times: int) -> None:
    """Secrets sent where they belong, and in wrong fields, paths, queries and headers, are never logged."""
    url, log = logging_stack
    users = [Canaries(url, seed) for seed in range(CLIENTS)]

    def misuse(user: Canaries) -> None:
        for _ in range(times // CLIENTS):
            user.misuse()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(misuse, users))
    sent = [status for user in users for status in user.statuses]
    assert len(sent) >= times
    assert max(sent) < 500
    written = log.read_text()
    assert written.count('"status":') >= 0.8 * times, "what was sent is logged, as a line with its status"
    secrets = {each for user in users for each in user.secrets}
    assert [each for each in sorted(secrets) if each in written or quote(each, safe="") in written] == []
