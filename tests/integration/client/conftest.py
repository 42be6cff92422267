"""The embedded stack as a process that counts what is sent to S3, and the command beside it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from darkroom.client import Client
from darkroom.configuration import load
from darkroom.project import Project
from darkroom.retries import RetryPolicy

from tests.images import image

ROOT = Path(__file__).parents[3]
PASSWORD = "a long enough password"
COMMAND = [sys.executable, "-m", "darkroom"]


@dataclass(frozen=True)
class CountingStack:
    """A running stack; `posted` are the keys of what S3 took by a form, in that order."""

    url: str
    file: Path

    @property
    def posted(self) -> list[str]:
        return self.file.read_text().splitlines() if self.file.exists() else []


@pytest.fixture(scope="session")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CountingStack]:
    """One stack for all of these tests."""
    folder = tmp_path_factory.mktemp("stack")
    module = "tests.integration.client.counting_stack"
    arguments = [str(folder / "posted"), "--port", "0", "--logs", str(folder / "logs")]
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            found = re.search(r"http://\S+", ready)
            assert found, f"the stack did not start: {ready}"
            yield CountingStack(found[0], folder / "posted")
        finally:
            process.send_signal(signal.SIGINT)


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Shell:
    """Runs the command in pipes, in a folder and with settings of its own."""

    folder: Path
    url: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM")}
        own = {
            "PYTHONPATH": str(ROOT / "client"),
            "DARKROOM_URL": self.url,
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }
        return clean | own | self.environ

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(
            [*COMMAND, *arguments], cwd=self.folder, env=self.variables, text=True, **(pipes | options)
        )

    def run(self, *arguments: str, typed: str = "") -> Answer:
        with self.start(*arguments) as process:
            out, err = process.communicate(typed, timeout=120)
        return Answer(process.returncode, out, err)

    def start_in_terminal(self, command: str) -> "subprocess.Popen[str]":
        """A shell command in a pseudo-terminal: what is typed goes to its stdin, its screen to stdout."""
        return subprocess.Popen(
            [sys.executable, "-c", _TERMINAL, f"exec {command}"],
            cwd=self.folder,
            env=self.variables | {"TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def client(self) -> Client:
        """The client in this process, by the settings and the login of the command."""
        settings = load(self.variables, self.folder)
        client = Client.from_settings(settings, retries=RetryPolicy(attempts=2, first_seconds=0.01))
        client.state = self.folder / "state"
        return client


#: A shell's background job has SIGINT ignored, which what it starts would inherit.
_TERMINAL = """
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
sys.exit(os.waitstatus_to_exitcode(pty.spawn(["sh", "-c", sys.argv[1]])))
"""


@pytest.fixture
def shell(counting: CountingStack, tmp_path: Path) -> Shell:
    """The command in an empty folder, of nobody."""
    return Shell(tmp_path, counting.url)


@pytest.fixture(scope="session")
def ann(counting: CountingStack, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """The command of a user who is logged in."""
    shell = Shell(tmp_path_factory.mktemp("ann"), counting.url)
    made = shell.run("auth", "register", "ann", "ann@example.org", "--password-stdin", typed=PASSWORD)
    assert made.code == 0, made.err
    return shell


@pytest.fixture
def project(ann: Shell, request: pytest.FixtureRequest) -> Iterator[Project]:
    """A new project of that user, which is the one that is set; its client is in this process."""
    task_type = getattr(request, "param", "classification")
    with ann.client() as client:
        made = client.create_project(request.node.name[:100], task_type=task_type)
        ann.environ["DARKROOM_PROJECT"] = made.id
        yield made


def folder_of(parent: Path, count: int, first: int = 0, name: str = "pets") -> Path:
    """A folder of different images, in two classes."""
    for number in range(first, first + count):
        path = parent / name / ("cat" if number % 2 else "dog") / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image(number))
    return parent / name


def wait(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.02)
