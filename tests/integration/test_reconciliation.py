"""Uploads that stop half-way, over HTTP: nothing is lost, nothing is called a duplicate that isn't."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from chalicelib import bootstrap
from chalicelib.bootstrap import assemble, aws_ports
from chalicelib.settings import Settings
from tests.images import image
from tests.integration.conftest import Answer, Api, multipart
from tests.integration.test_api_data import _ingest, _post
from tests.integration.test_removal import Later
from tests.support import Crash, Crashes

FILES = 40


def _announce(api: Api, project: str, count: int, **headers: str) -> Answer:
    files = [{"fileName": f"{n}.png", "sizeBytes": 99, "contentType": "image/png"} for n in range(count)]
    return api.call("POST", f"{project}/data/uploads", {"files": files}, **headers)


def _found(api: Api, path: str) -> dict[str, Any]:
    """The reconciliation, which adds up."""
    found: dict[str, Any] = api.call("GET", path).json
    counts = [found[name] for name in ("accepted", "duplicate", "rejected", "pending")]
    assert sum(counts) == found["expected"]
    assert found["expired"] <= found["pending"] == len(found["pendingFiles"])
    return found


def _later(**ahead: float) -> Any:
    """The ports of the stage as they will be some time from now."""
    return replace(aws_ports(Settings.read(os.environ), bootstrap.aws()), clock=Later(timedelta(**ahead)))


def test_forty_files_add_up_through_lost_and_repeated_events(api: Api) -> None:
    """A third of the events is lost, a third comes twice, handlers die: the sweep and a renewal end it."""
    random, project = Random(7), api.project()
    upload = _announce(api, project, FILES)
    path, keys = upload.headers["Location"], [each["key"] for each in upload.json["images"]]
    sent, events = keys[:36], []
    for number, key in enumerate(sent):
        content = b"no image" if number % 12 == 0 else image(number % 30)
        assert _post(upload.json, key, content) == 204
        events += [key] * (number % 3)
    random.shuffle(events)
    for number, key in enumerate(events):
        if number % 4 == 0:
            _die(key, random)
        _ingest(api, key)
        _found(api, path)
    assert _found(api, path)["pending"] > 4

    ports = _later(minutes=20)
    assemble(ports).ingest.sweep(ports.clock.now() + timedelta(minutes=1))
    found = _found(api, path)
    assert [each["fileName"] for each in found["pendingFiles"]] == [f"{n}.png" for n in range(36, 40)]
    assert (found["accepted"], found["duplicate"], found["rejected"]) == (28, 5, 3)
    assert found["status"] == "open"
    incoming = keys[0].rsplit("/", 1)[0]
    assert list(ports.store.list(incoming)) == []

    renewed = api.call("POST", f"{path}/renew")
    assert [each["key"] for each in renewed.json["images"]] == keys[36:]
    for number, key in enumerate(keys[36:]):
        assert _post(renewed.json, key, image(100 + number)) == 204
        _ingest(api, key)
    assert _found(api, path)["status"] == "complete"
    assert api.call("POST", f"{path}/renew").problem() == "upload-complete"


def _die(key: str, random: Random) -> None:
    """A handler that dies at one of its calls."""
    ports, crashes = _later(), Crashes(random.randint(1, 8), after=random.random() < 0.5)
    names = ("arrivals", "images", "uploads", "store")
    wrapped = {name: crashes.wrap(getattr(ports, name)) for name in names}
    try:
        assemble(replace(ports, **wrapped)).ingest.take(key)
    except Crash:
        assert crashes.calls


def test_an_upload_that_ran_out_goes_on(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its hour what is missing is expired; renewed, the upload is open and the new form works."""
    upload = _announce(api, api.project(), 2)
    path = upload.headers["Location"]
    ports = _later(hours=2)
    monkeypatch.setattr("chalicelib.routes.uploads.services", lambda: assemble(ports))
    found = _found(api, path)
    assert (found["status"], found["expired"]) == ("expired", 2)
    renewed = api.call("POST", f"{path}/renew")
    assert renewed.status == 200
    assert renewed.json["uploadId"] == upload.json["uploadId"]
    assert renewed.json["images"] == upload.json["images"]
    assert renewed.json["expiresAt"] > upload.json["expiresAt"]
    assert (_found(api, path)["status"], _found(api, path)["expired"]) == ("open", 0)
    key = renewed.json["images"][0]["key"]
    assert _post(renewed.json, key, image(1)) == 204
    _ingest(api, key)
    assert _found(api, path)["accepted"] == 1


def test_an_unknown_upload_is_not_renewed(api: Api) -> None:
    """An upload of another project, and text that is no id, are 404."""
    upload_id = _announce(api, api.project(), 1).json["uploadId"]
    for each in (upload_id, "x", "upload%23"):
        answer = api.call("POST", f"{api.project()}/data/uploads/{each}/renew")
        assert answer.problem() == "upload-not-found"


def test_an_announcement_sent_again_is_the_same_upload(api: Api) -> None:
    """With its key a repeated announcement answers the same ids, and says so; other files are refused."""
    project = api.project()
    first, again = (_announce(api, project, 3, Idempotency_Key="k") for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert again.json["images"] == first.json["images"]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert _announce(api, project, 4, Idempotency_Key="k").problem() == "idempotency-key-reused"
    assert _announce(api, project, 3).json["uploadId"] != first.json["uploadId"]
    assert _announce(api, project, 1, Idempotency_Key="k" * 256).problem() == "bad-idempotency-key"


@pytest.fixture
def send(api: Api) -> Callable[..., Answer]:
    """Sends files in a request with an idempotency key, each time under another boundary."""
    project, boundaries = api.project(), iter("abcdef")

    def send(files: list[tuple[str, bytes]], key: str = "k") -> Answer:
        body, kind = multipart(files)
        edge = f"edge{next(boundaries)}"
        body, kind = body.replace(b"--edge", f"--{edge}".encode()), kind.replace("edge", edge)
        return api.send("POST", f"{project}/data/images", body, kind, Idempotency_Key=key)

    return send


def test_images_sent_again_are_no_duplicates(send: Callable[..., Answer]) -> None:
    """With its key a repeated request answers all created; without it, or with another, all duplicate."""
    files = [(f"{n}.png", image(n)) for n in range(3)]
    first, again, other = send(files), send(files), send(files, "another")
    assert first.json["summary"] == {"received": 3, "created": 3, "duplicate": 0, "failed": 0}
    assert again.json == first.json
    assert other.json["summary"]["duplicate"] == 3
    assert send(files[:2]).problem() == "idempotency-key-reused"


def test_a_client_that_gave_up_waiting_gets_its_answer(
    send: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that died in the middle is completed by its repeat, which reports no false duplicate."""
    files = [(f"{n}.png", image(n)) for n in range(4)]
    ports, crashes = _later(), Crashes(3, after=True)
    wrapped = {name: crashes.wrap(getattr(ports, name)) for name in ("images", "store")}
    with monkeypatch.context() as patch:
        patch.setattr("chalicelib.routes.uploads.services", lambda: assemble(replace(ports, **wrapped)))
        with pytest.raises(Crash):
            send(files)
    answer = send(files)
    assert answer.status == 201
    assert answer.json["summary"] == {"received": 4, "created": 4, "duplicate": 0, "failed": 0}
