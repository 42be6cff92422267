"""The main job over HTTP with a real training process: tiny, but all of it."""

import os
import signal
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from examples.digits import digits
from examples.http import ApiError, Client
from tests.e2e.conftest import Up

TINY = {
    "architecture": "mobilenet_v3_small",
    "pretrained": False,
    "imageSize": 32,
    "epochs": 2,
    "batchSize": 16,
    "horizontalFlip": False,
}
OVER = ("completed", "failed", "stopped")


def by_multipart(client: Client, project: str, files: list[tuple[str, bytes]]) -> None:
    client.send_images(project, files)


def by_posting(client: Client, project: str, files: list[tuple[str, bytes]]) -> None:
    reconciliation = client.post_images(project, files)
    wait(lambda: client.call("GET", reconciliation)["pending"] == 0)
    found = client.call("GET", reconciliation)
    assert (found["accepted"], found["status"]) == (len(files), "complete")


def by_both(client: Client, project: str, files: list[tuple[str, bytes]]) -> None:
    half = len(files) // 2
    by_multipart(client, project, files[:half])
    by_posting(client, project, files[half:])


def wait(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.2)


def start(client: Client, upload: Any = by_multipart, **parameters: Any) -> tuple[str, str]:
    """Starts a run on 40 digits; returns the project's path and the session's."""
    project = f"/api/projects/{client.call('POST', '/api/projects', {'projectName': 'tiny'})['projectId']}"
    files, labels = digits(40)
    upload(client, project, files)
    client.call("POST", f"{project}/data/labels", {"labels": labels})
    client.call("PUT", f"{project}/training/configure", TINY | parameters)
    session = client.call("POST", f"{project}/training/start")["sessionId"]
    return project, f"{project}/training/{session}"


def status(client: Client, session: str) -> dict[str, Any]:
    found: dict[str, Any] = client.call("GET", f"{session}/status?history=true")
    return found


def test_images_become_a_model(up: Up) -> None:
    """Uploaded in both ways, labelled, trained, and back as figures, a matrix and files with their hashes."""
    client = up.client()
    _, session = start(client, by_both)
    seen: list[float] = []

    def is_over() -> bool:
        found = status(client, session)
        seen.append(found["progress"])
        return found["status"] in OVER

    wait(is_over)
    found = status(client, session)
    assert (found["status"], found["progress"], found["failure"]) == ("completed", 100, None)
    assert seen == sorted(seen)
    assert [each["epoch"] for each in found["history"]] == [1, 2]

    results = client.call("GET", f"{session}/results")
    matrix = results["confusionMatrix"]["matrix"]
    right, validated = sum(matrix[n][n] for n in range(10)), sum(map(sum, matrix))
    assert results["accuracy"] == pytest.approx(right / validated)
    assert len(results["misclassified"]) == validated - right
    assert results["modelDetails"]["trainImages"] + results["modelDetails"]["valImages"] == 40
    for artifact in results["artifacts"]:
        content = client.pool.request("GET", artifact["url"]).data
        assert sha256(content).hexdigest() == artifact["sha256"]
    said = client.predict(session, digits(1)[0][0][1])["predictions"]
    assert {each["label"] for each in said} == set(results["modelDetails"]["classes"])
    assert sum(each["probability"] for each in said) == pytest.approx(1)
    assert {"safetensors", "onnx"} <= {each["format"] for each in results["artifacts"]}


def test_weights_that_are_not_there_fail_the_run(up: Up) -> None:
    """It never silently trains from scratch: the session says what is missing and what to do."""
    client = up.client()
    _, session = start(client, architecture="resnet18", pretrained=True)
    wait(lambda: status(client, session)["status"] in OVER)
    found = status(client, session)
    assert (found["status"], found["failure"]["code"]) == ("failed", "weights-missing")
    with pytest.raises(ApiError, match=r"409.*run-failed"):
        client.call("GET", f"{session}/results")


def test_stop_keeps_the_best_weights_so_far(up: Up) -> None:
    """A run that is stopped while it trains ends with a model."""
    client = up.client()
    _, session = start(client, epochs=1000)
    wait(lambda: len(status(client, session)["history"]) > 0)
    client.call("POST", f"{session}/stop")
    wait(lambda: status(client, session)["status"] in OVER)
    assert status(client, session)["status"] == "stopped"
    assert client.call("GET", f"{session}/results")["artifacts"]


def test_killed_process_is_seen(up: Up) -> None:
    """A job that dies without a word leaves a session that says so, by Batch's event alone."""
    client = up.client()
    _, session = start(client, epochs=1000)
    wait(lambda: status(client, session)["phase"] == "training")
    os.kill(training_process(session.rsplit("/", 1)[1]), signal.SIGKILL)
    wait(lambda: status(client, session)["status"] in OVER, seconds=60)
    found = status(client, session)
    assert (found["status"], found["failure"]["code"]) == ("failed", "killed")


def training_process(session_id: str) -> int:
    """The process whose environment has that session and whose command is the training job's."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment, command = (folder / "environ").read_bytes(), (folder / "cmdline").read_bytes()
        except OSError:  # gone, or not ours
            continue
        if f"SESSION_ID={session_id}".encode() in environment and b"training_job\0" in command:
            return int(folder.name)
    raise AssertionError("no training process")
