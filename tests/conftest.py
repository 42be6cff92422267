"""Fixtures that every kind of test may use."""

import gc
import re
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest

from infra.local.aws import EmbeddedAws, embedded_aws

# A client's service model is a megabyte of JSON: read once a process, instead of once a session.
botocore.session.create_loader = cache(botocore.session.create_loader)

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


def pytest_collection_finish() -> None:
    """What was imported stays to the end: the garbage collector needn't go through it again and again."""
    gc.collect()
    gc.freeze()
