"""The local API's paths, which have a stage in front as API Gateway's have."""

import pytest

from infra.local.server import _routed


@pytest.mark.parametrize(
    ("path", "routed"),
    [
        ("/api/users", "/users"),
        ("/api/users?next=/api/x", "/users?next=/api/x"),
        ("/api/", "/"),
        ("/api/openapi.json", "/openapi.json"),
        ("/openapi.json", "/openapi.json"),
    ],
)
def test_the_stage_is_taken_off(path, routed):
    """What follows the stage is what is routed; the description of the API is at the root as well."""
    assert _routed(path) == routed


@pytest.mark.parametrize(
    "path", ["/users", "/api", "/api?x=1", "/apis/users", "/dev/users", "//api/users", ""]
)
def test_outside_the_stage_there_is_nothing(path):
    """In AWS such a path reaches no function, so it finds no route here either."""
    assert _routed(path) == "/-"
