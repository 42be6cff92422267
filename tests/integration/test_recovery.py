"""Objects whose events were lost, on the embedded AWS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import urllib3

from app import app
from chalicelib import bootstrap
from chalicelib.bootstrap import assemble, aws_ports
from chalicelib.settings import Settings
from infra.local.aws import EmbeddedAws
from tests.images import image
from tests.integration.conftest import Api

#: What EventBridge sends when a schedule is due.
EVENT = dict.fromkeys(
    ("version", "account", "region", "detail", "detail-type", "source", "time", "id", "resources"), ""
)


class _Later:
    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(minutes=16)


@pytest.fixture
def upload(api: Api) -> tuple[str, dict[str, Any]]:
    """The path of an upload of two files, and its answer; both have landed, and no event came."""
    project = api.project()
    files = [{"fileName": f"{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(2)]
    opened = api.call("POST", f"{project}/data/uploads", {"files": files}).json
    for content, each in zip((image(1), b"no image"), opened["images"], strict=True):
        fields = {**opened["fields"], "key": each["key"], "Content-Type": "image/png"}
        answer = urllib3.request(
            "POST", opened["url"], fields={**fields, "file": ("f", content, "image/png")}
        )
        assert answer.status == 204
    return f"{project}/data/uploads/{opened['uploadId']}", opened


def test_files_without_an_event_are_taken_in(api: Api, upload, stack: EmbeddedAws) -> None:
    """The schedule leaves young objects to their events; a quarter of an hour later none is pending."""
    path, opened = upload
    app.handler_map["recover"](EVENT, None)
    assert api.call("GET", path).json["pending"] == 2
    ports = aws_ports(Settings.read(stack.environment), bootstrap.aws())
    later = assemble(replace(ports, clock=_Later()))
    later.ingest.sweep(_Later().now() + timedelta(minutes=1))
    found = api.call("GET", path).json
    assert (found["accepted"], found["rejected"], found["pending"]) == (1, 1, 0)
    keys = {each["key"] for each in opened["images"]}
    assert not keys & {each.key for each in ports.store.list("incoming/")}
