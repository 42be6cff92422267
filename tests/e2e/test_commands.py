"""The commands that the README promises."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from examples.stack import running_stack
from tests.e2e.conftest import Up

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


def test_every_make_target_in_the_readme_exists() -> None:
    """No command in the README is gone from the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "up"} <= named <= targets


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stack_ends_with_all_its_children(number: signal.Signals) -> None:
    """Ctrl-C or a SIGTERM ends the stack with exit code 0 and no process left."""
    with running_stack() as (_, process):
        process.send_signal(number)
        assert process.wait(timeout=30) == 0
    assert not children_of(process.pid)


def children_of(process_id: int) -> list[str]:
    found = subprocess.run(["pgrep", "-s", str(process_id)], capture_output=True, text=True)
    return found.stdout.split()


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


def test_demo_trains_to_the_promised_accuracy() -> None:
    """`make demo` ends by itself with a validation accuracy of at least 0.95 and leaves nothing running."""
    answer = subprocess.run(
        [sys.executable, "-m", "examples.digits"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        start_new_session=True,
        env={**os.environ, "KEEP": "", "PRETRAINED": ""},
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    accuracy = re.search(r"^accuracy (\d\.\d+)", answer.stdout, re.MULTILINE)
    assert accuracy is not None
    assert float(accuracy[1]) >= 0.95
    assert "confusion matrix" in answer.stdout
    assert not subprocess.run(["pgrep", "-f", "infra.local --port 0"], capture_output=True, text=True).stdout
