"""An account, a shell that has its credentials, and a stage that nobody has yet."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.deploying import small_parts, small_template
from tests.deployments import World, serving


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as monkeypatch, serving(monkeypatch) as made:
        yield made


@pytest.fixture
def shell(world, monkeypatch) -> World:
    """The world's credentials in the environment, and no others."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    return world


@pytest.fixture
def stage() -> str:
    """A stage that no other test has."""
    return f"s{uuid4().hex[:10]}"


@pytest.fixture
def parts(tmp_path, stage):
    return small_parts(tmp_path, small_template("http://127.0.0.1:9"), stage)
