"""`darkroom data upload` against the embedded stack: nothing is sent twice, whatever happens."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from darkroom.client import Client
from darkroom.configuration import load
from darkroom.errors import ServerUnreachableError
from darkroom.retries import RetryPolicy
from darkroom.storage import Storage

from tests.images import image
from tests.integration.client.conftest import COMMAND, CountingStack, Shell, folder_of, wait

COUNT = 60


def client_of(shell: Shell) -> Client:
    """The client in this process, by the settings and the login of the command."""
    settings = load(shell.variables, shell.folder)
    client = Client.from_settings(settings, retries=RetryPolicy(attempts=2, first_seconds=0.01))
    client.state = shell.folder / "state"
    return client


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["kill", "interrupt"])
def test_an_upload_that_was_stopped_half_way_goes_on(
    known: Shell, counting: CountingStack, tmp_path: Path, number: signal.Signals
) -> None:
    """Ended at 50 % and given again, each file has been sent once, and all of them are there and labelled."""
    known.project()
    folder = folder_of(tmp_path, COUNT, first=number * 1000)
    before = len(counting.posted)
    with known.start("data", "upload", str(folder), "--workers", "4") as process:
        wait(lambda: len(counting.posted) - before >= COUNT // 2)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), err
    assert len(counting.posted) - before < COUNT

    again = known.run("data", "upload", str(folder), "--json")
    assert again.code == 0, again.err
    sent = counting.posted[before:]
    assert len(sent) == len(set(sent)) == COUNT
    assert 0 < again.json["sent"] < COUNT
    assert (again.json["labelled"], again.json["pending"]) == (COUNT, 0)
    stats = known.run("data", "stats", "--json").json
    assert (stats["images"], stats["labelled"], stats["duplicates"]) == (COUNT, COUNT, 0)
    assert stats["classes"] == {"cat": COUNT // 2, "dog": COUNT // 2}
    assert not list((known.folder / "state").rglob("*.jsonl"))


def test_a_lost_network_is_told_and_the_rest_is_sent_later(
    known: Shell, counting: CountingStack, tmp_path: Path
) -> None:
    """The error says that it goes on; the second upload sends what the first could not."""
    known.project()
    folder = folder_of(tmp_path, 20, first=30_000)
    before = len(counting.posted)

    class Breaking(httpx.HTTPTransport):
        sent = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if self.sent >= 7:
                raise httpx.ConnectError("network is unreachable")
            self.sent += 1
            return super().handle_request(request)

    project = json.loads(known.run("project", "show", "--json").out)["projectId"]
    with client_of(known) as client, httpx.Client(transport=Breaking()) as broken:
        whole, client.storage = client.storage, Storage(client.transport.retries, broken)
        with pytest.raises(ServerUnreachableError, match="unreachable") as caught:
            client.project(project).upload(folder, labels="folders", workers=1)
        assert "goes on" in str(caught.value.hint)
        client.storage = whole
        report = client.project(project).upload(folder, labels="folders")
    assert (report.sent, report.uploaded, report.labelled) == (13, 20, 20)
    assert len(counting.posted) - before == 20


def test_what_is_there_is_not_sent(known: Shell, counting: CountingStack, tmp_path: Path) -> None:
    """By its bytes, under whatever name, also twice in one folder; a class that changed is stored."""
    known.project()
    folder = folder_of(tmp_path, 6, first=40_000)
    assert known.run("data", "upload", str(folder)).code == 0
    before = len(counting.posted)
    (folder / "dog").rename(folder / "wolf")
    (folder / "wolf" / "new.png").write_bytes(image(41_000))
    (folder / "wolf" / "twice.png").write_bytes(image(41_000))
    again = known.run("data", "upload", str(folder), "--json")
    assert again.code == 0, again.err
    assert (again.json["sent"], again.json["uploaded"], again.json["present"]) == (1, 1, 7)
    assert len(counting.posted) - before == 1
    assert known.run("data", "stats", "--json").json["classes"] == {"cat": 3, "wolf": 4}


def test_a_folder_with_bad_files_is_taken_in_part(known: Shell, tmp_path: Path) -> None:
    """What is no image is named, here or by the server; the rest is taken; the exit code is 5."""
    known.project()
    folder = folder_of(tmp_path, 4, first=50_000)
    (folder / "cat" / "text.png").write_text("no image")
    (folder / "cat" / "cut.png").write_bytes(image(51_000)[:40])
    (folder / "dog" / "same.png").write_bytes((folder / "cat" / "50001.png").read_bytes())
    answer = known.run("data", "upload", str(folder), "--json")
    assert answer.code == 5
    assert {each["fileName"] for each in answer.json["problems"]} == {"cat/text.png", "cat/cut.png"}
    assert [each["code"] for each in answer.json["labelProblems"]] == ["conflicting-label"]
    assert (answer.json["uploaded"], answer.json["labelled"]) == (4, 3)
    assert "cat/cut.png" in answer.err


def test_a_folder_of_other_things_is_refused(known: Shell, tmp_path: Path) -> None:
    """With what is taken, and exit code 1."""
    (tmp_path / "a.txt").write_text("x")
    answer = known.run("data", "upload", str(tmp_path))
    assert answer.code == 1
    assert "no image" in answer.err
    assert "JPEG" in answer.err


def test_boxes_come_from_a_file(known: Shell, tmp_path: Path) -> None:
    """A detection project's labels, by the names of its files; one that is nowhere is reported."""
    known.project("--task", "detection")
    folder = folder_of(tmp_path, 2, first=60_000)
    boxes = [{"label": "cat", "box": [1, 1, 4, 4]}]
    labels: dict[str, Any] = {"60000.png": boxes, "cat/60001.png": [], "gone.png": boxes}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    answer = known.run("data", "upload", str(folder), "--labels", str(tmp_path / "labels.json"), "--json")
    assert answer.code == 5
    assert [each["fileName"] for each in answer.json["labelProblems"]] == ["gone.png"]
    assert known.run("data", "stats", "--json").json["objects"] == {"cat": 1}


def test_ctrl_c_on_a_terminal(known: Shell, counting: CountingStack, tmp_path: Path) -> None:
    """There are bars, on the terminal alone; Ctrl-C ends with 130 and leaves clean data in the file."""
    known.project()
    folder = folder_of(tmp_path, COUNT, first=70_000)
    before = len(counting.posted)
    command = " ".join([*COMMAND, "data", "upload", str(folder), "--workers", "2", "--json"])
    with in_terminal(known, f"{command} > {tmp_path}/out") as process:
        wait(lambda: len(counting.posted) - before >= 10)
        assert process.stdin is not None
        process.stdin.write("\x03")
        process.stdin.flush()
        screen, _ = process.communicate(timeout=60)
    assert process.returncode == 130, screen
    assert "sending" in screen
    assert "━" in screen
    assert "interrupted" in screen
    assert (tmp_path / "out").read_text() == ""
    with in_terminal(known, f"{command} > {tmp_path}/out") as process:
        screen, _ = process.communicate("", timeout=60)
    assert process.returncode == 0, screen
    assert json.loads((tmp_path / "out").read_text())["uploaded"] == COUNT
    assert len(counting.posted) - before == COUNT


_TERMINAL = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh', '-c', sys.argv[1]])))"


def in_terminal(shell: Shell, command: str) -> Any:
    """A shell command in a pseudo-terminal: what is typed goes to its stdin, its screen to stdout."""
    import subprocess

    return subprocess.Popen(
        [sys.executable, "-c", _TERMINAL, f"exec {command}"],
        cwd=shell.folder,
        env=shell.variables | {"TERM": "xterm", "COLUMNS": "100"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
