"""The embedded stack as a process of its own, as `make up` starts it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import uuid4

import pytest

from examples.http import Client
from examples.stack import running_stack


@dataclass(frozen=True)
class Up:
    url: str
    process_id: int

    def client(self) -> Client:
        """A new user, logged in."""
        client, name = Client(self.url), f"u-{uuid4().hex[:12]}"
        password = "a long enough password"
        client.call(
            "POST", "/api/users", {"username": name, "email": f"{name}@example.org", "password": password}
        )
        client.token = client.call("POST", "/api/auth/login", {"login": name, "password": password})[
            "accessToken"
        ]
        return client


@pytest.fixture(scope="session")
def up() -> Iterator[Up]:
    """A running stack."""
    with running_stack() as (url, process):
        yield Up(url, process.pid)
