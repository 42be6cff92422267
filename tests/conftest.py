"""Fixtures that every kind of test may use."""

import re
from collections.abc import Iterator

import pytest

from infra.local.aws import EmbeddedAws, embedded_aws

_ULID = re.compile("[0-7][0-9A-HJKMNP-TV-Z]{25}")


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedAws]:
    """The embedded AWS with the stack of infra/template.yaml in it, shared by the session's tests.

    It changes nothing in os.environ: hand `stack.environment` to what you start, or set it with
    monkeypatch.
    """
    with embedded_aws("darkroom-test", parameters={"QueueVisibilitySeconds": "1"}) as aws:
        yield aws


def pytest_make_parametrize_id(val: object) -> str | None:
    """Names a test by its parameters, less what is new in each process: workers compare the names."""
    if isinstance(val, bytes):
        return f"{len(val)} bytes"
    return _ULID.sub("ulid", val) if isinstance(val, str) and _ULID.search(val) else None
