"""The commands that the README promises."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4
from zipfile import ZipFile

import pytest

from examples.stack import running_stack
from tests.e2e.conftest import Up
from tests.e2e.test_main_job import start, status, wait

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_walk_with_curl(up: Up) -> None:
    """Every line of the README's walk runs as it stands, from registering to the downloaded model."""
    script = "\n".join(re.findall(r"```bash\n(.+?)```", README, re.DOTALL))
    assert script.count("api $") > 10
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=ROOT,
        env={**os.environ, "DARKROOM": up.url},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert '"status":"completed"' in answer.stderr
    assert (ROOT / "build" / "model.onnx").stat().st_size > 1_000_000
    [counts] = re.findall(r"\{.*'files': .*\}", answer.stdout)
    assert all(each in counts for each in ("'files': 100", "'accepted': 9,", "'duplicate': 91"))
    exported = ZipFile(ROOT / "build" / "coco.zip")
    assert len(json.loads(exported.read("annotations/instances.json"))["images"]) == 100


def test_every_make_target_in_the_readme_exists() -> None:
    """No command in the README is gone from the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    assert {"demo", "test", "up"} <= named <= targets


def test_stack_ends_with_all_its_children(mark: str) -> None:
    """Ctrl-C in the middle of a training ends all of it: exit code 0 and no process left."""
    with running_stack() as (url, process):
        client = Up(url, process.pid).client()
        _, session = start(client, epochs=1000)
        wait(lambda: status(client, session)["phase"] == "training")
        assert len(processes_with(mark)) > 1
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert not processes_with(mark)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A text in the environment of every process that is started from here on."""
    text = f"mark-{uuid4()}"
    monkeypatch.setenv("DARKROOM_MARK", text)
    return text


def processes_with(mark: str) -> list[str]:
    """Processes that have a mark in their environment, this one left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:  # gone, or not ours
            continue
        if f"DARKROOM_MARK={mark}".encode() in environment:
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_taken_port_is_told_in_one_line(up: Up) -> None:
    """A port that is taken is one clear line and exit code 1."""
    port = up.url.rsplit(":", 1)[1]
    answer = subprocess.run(
        [sys.executable, "-m", "infra.local", "--port", port],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert len(answer.stderr.splitlines()) == 1
    assert port in answer.stderr


def test_demo_trains_to_the_promised_accuracy(mark: str) -> None:
    """`make demo`, in one epoch, ends by itself as good as its head at least, and leaves nothing running.

    What all twelve come to is in the README, word for word as they printed it.
    """
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.digits"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "KEEP": "", "PRETRAINED": "", "EPOCHS": "1"},
    )
    output, _ = demo.communicate(timeout=280)
    assert demo.returncode == 0, output
    accuracy = re.search(r"^accuracy (\d\.\d+)", output, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 0.9
    assert "confusion matrix" in output
    assert not processes_with(mark)
