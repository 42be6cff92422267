"""Fixtures that every kind of test may use."""

from collections.abc import Iterator

import pytest

from infra.local.aws import EmbeddedAws, embedded_aws


@pytest.fixture(scope="session")
def stack() -> Iterator[EmbeddedAws]:
    """The embedded AWS with the stack of infra/template.yaml in it, shared by the session's tests.

    It changes nothing in os.environ: hand `stack.environment` to what you start, or set it with
    monkeypatch.
    """
    with embedded_aws("darkroom-test", parameters={"QueueVisibilitySeconds": "1"}) as aws:
        yield aws
