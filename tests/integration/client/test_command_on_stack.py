"""The command and the client against the embedded stack: one file, so that one stack does for all."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from darkroom.checks import examine
from darkroom.configuration import load
from darkroom.errors import ServerUnreachableError
from darkroom.logins import FileStore
from darkroom.progress import Progress
from darkroom.project import Project
from darkroom.storage import Storage

from examples.digits import digits
from tests.images import image
from tests.integration.client.conftest import (
    COMMAND,
    PASSWORD,
    ROOT,
    CountingStack,
    Shell,
    folder_of,
    wait,
)

COUNT = 24


def test_a_killed_upload_goes_on(
    ann: Shell, project: Project, counting: CountingStack, tmp_path: Path
) -> None:
    """Killed at 50 % and given again, each file was sent once, and all are there and labelled."""
    folder = folder_of(tmp_path, COUNT)
    before = len(counting.posted)
    with ann.start("data", "upload", str(folder), "--workers", "2") as process:
        wait(lambda: len(counting.posted) - before >= COUNT // 2)
        process.kill()
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert COUNT // 2 <= len(counting.posted) - before < COUNT

    again = ann.run("data", "upload", str(folder), "--json")
    assert again.code == 0, again.err
    sent = counting.posted[before:]
    assert len(sent) == len(set(sent)) == COUNT
    assert 0 < again.json["sent"] <= COUNT // 2
    assert (again.json["labelled"], again.json["pending"]) == (COUNT, 0)
    summary = project.summary()
    assert (summary.images, summary.duplicates) == (COUNT, 0)
    assert summary.classes == {"cat": COUNT // 2, "dog": COUNT // 2}
    assert not list((ann.folder / "state").rglob("*.jsonl"))
    assert "━" not in again.err


def test_ctrl_c_on_a_terminal(ann: Shell, project: Project, counting: CountingStack, tmp_path: Path) -> None:
    """Bars are on the terminal alone; Ctrl-C ends with 130; the same command goes on, its data in a file."""
    folder = folder_of(tmp_path, COUNT, first=1000)
    before = len(counting.posted)
    command = " ".join([*COMMAND, "data", "upload", str(folder), "--workers", "2", "--json"])
    with ann.start_in_terminal(f"{command} > {tmp_path}/out") as process:
        wait(lambda: len(counting.posted) - before >= COUNT // 3)
        screen, _ = process.communicate("\x03", timeout=60)
    assert process.returncode == 130, screen
    assert (tmp_path / "out").read_text() == ""
    for word in ("sending", "━", "interrupted"):
        assert word in screen
    with ann.start_in_terminal(f"{command} > {tmp_path}/out") as process:
        screen, _ = process.communicate("", timeout=60)
    assert process.returncode == 0, screen
    assert json.loads((tmp_path / "out").read_text())["uploaded"] == COUNT
    assert len(counting.posted) - before == COUNT
    assert project.summary().images == COUNT


class Breaking(httpx.HTTPTransport):
    """A network that is lost after some requests."""

    def __init__(self, good: int) -> None:
        super().__init__()
        self._left = threading.Semaphore(good)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._left.acquire(blocking=False):
            raise httpx.ConnectError("network is unreachable")
        return super().handle_request(request)


def test_a_lost_network_is_told_and_the_rest_is_sent_later(
    project: Project, counting: CountingStack, tmp_path: Path
) -> None:
    """The error says that it goes on; the second upload sends what the first could not."""
    folder, client = folder_of(tmp_path, 10, first=2000), project.client
    before = len(counting.posted)
    with httpx.Client(transport=Breaking(4)) as broken:
        whole, client.storage = client.storage, Storage(client.transport.retries, broken)
        with pytest.raises(ServerUnreachableError, match="unreachable") as caught:
            project.upload(folder, labels="folders", workers=1)
    assert "goes on" in str(caught.value.hint)
    client.storage = whole
    [journal] = client.state.rglob("*.jsonl")
    os.utime(journal, (0, 0))  # so long ago that nothing can be on its way any more
    report = project.upload(folder, labels="folders")
    assert (report.sent, report.uploaded, report.labelled) == (6, 10, 10)
    assert len(counting.posted) - before == 10


def test_what_was_deleted_after_an_interrupted_upload_is_sent_again(
    project: Project, counting: CountingStack, tmp_path: Path
) -> None:
    """The upload that goes on knows only of what was announced; what counts is what the project has."""
    folder, client = folder_of(tmp_path, 6, first=7000), project.client
    with httpx.Client(transport=Breaking(4)) as broken:
        whole, client.storage = client.storage, Storage(client.transport.retries, broken)
        with pytest.raises(ServerUnreachableError):
            project.upload(folder, labels="folders", workers=1)
    client.storage = whole
    [journal] = client.state.rglob("*.jsonl")
    os.utime(journal, (0, 0))  # so long ago that nothing can be on its way any more
    wait(lambda: project.summary().images == 4)
    credentials = client.transport.credentials
    assert credentials is not None
    for each in list(project.images(status="accepted"))[:3]:
        httpx.delete(
            f"{client.url}/api/projects/{project.id}/data/images/{each.image_id}",
            headers={"Authorization": f"Bearer {credentials.token()}"},
        ).raise_for_status()
    before = len(counting.posted)
    report = project.upload(folder, labels="folders")
    assert (report.sent, report.uploaded, report.pending, report.labelled) == (5, 6, 0, 6)
    assert len(counting.posted) - before == 5
    assert len(list(project.images(status="accepted"))) == 6


def test_an_import_that_broke_off_sends_the_parts_that_are_missing(project: Project, tmp_path: Path) -> None:
    """Of two parts the one that arrived isn't sent again; what is wrong in the archive is reported."""
    client = project.client
    with ZipFile(tmp_path / "pets.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"pets/{'cat' if number else 'dog'}/{number}.png", image(6000 + number))
        archive.writestr("pets/cat/cut.png", image(6100)[:40])
        archive.writestr("pets/cat/large.txt", os.urandom(9_000_000))
    with httpx.Client(transport=Breaking(1)) as broken:
        whole, client.storage = client.storage, Storage(client.transport.retries, broken)
        with pytest.raises(ServerUnreachableError):
            project.import_archive(tmp_path / "pets.zip")
    told: list[Progress] = []
    client.storage = whole
    done = project.import_archive(tmp_path / "pets.zip", on_progress=told.append)
    sent = [each for each in told if each.phase == "sending"]
    assert [each.done for each in sent] == [done.size_bytes]
    assert (done.status, done.counts["accepted"], done.problems.total) == ("completed", 3, 1)
    assert project.summary().classes == {"cat": 2, "dog": 1}
    assert not list((client.state / "imports").glob("*.json"))


def test_doctor_finds_nothing_wrong(ann: Shell) -> None:
    """URL, encryption, version, clock and login of a Darkroom that runs."""
    checks = examine(load(ann.variables, ann.folder))
    assert [(each.name, each.ok) for each in checks] == [
        (name, True) for name in ("url", "encryption", "version", "clock", "login")
    ], checks


def test_what_is_there_is_not_sent(project: Project, counting: CountingStack, tmp_path: Path) -> None:
    """By its bytes, under whatever name, also twice in one folder; a class that changed is stored."""
    folder = folder_of(tmp_path, 6, first=3000)
    assert project.upload(folder, labels="folders").is_complete
    before = len(counting.posted)
    (folder / "dog").rename(folder / "wolf")
    for name in ("new.png", "twice.png"):
        (folder / "wolf" / name).write_bytes(image(3100))
    again = project.upload(folder, labels="folders")
    assert (again.sent, again.uploaded, again.present, again.problems) == (1, 1, 7, [])
    assert len(counting.posted) - before == 1
    assert project.summary().classes == {"cat": 3, "wolf": 4}


def test_a_folder_with_bad_files_is_taken_in_part(ann: Shell, project: Project, tmp_path: Path) -> None:
    """What is no image is named, here or by the server; the rest is taken; the exit code is 5."""
    folder = folder_of(tmp_path, 4, first=4000)
    (folder / "cat" / "text.png").write_text("no image")
    (folder / "cat" / "cut.png").write_bytes(image(4100)[:40])
    (folder / "dog" / "same.png").write_bytes((folder / "cat" / "4001.png").read_bytes())
    answer = ann.run("data", "upload", str(folder), "--json")
    assert answer.code == 5
    assert {each["fileName"] for each in answer.json["problems"]} == {"cat/text.png", "cat/cut.png"}
    assert [each["code"] for each in answer.json["labelProblems"]] == ["conflicting-label"]
    assert (answer.json["uploaded"], answer.json["labelled"]) == (4, 3)
    assert "cat/cut.png" in answer.err
    assert project.summary().images == 4


@pytest.mark.parametrize("project", ["detection"], indirect=True)
def test_boxes_come_from_a_file(project: Project, tmp_path: Path) -> None:
    """A detection project's labels, by the names of its files; one that is nowhere is reported."""
    folder = folder_of(tmp_path, 2, first=5000)
    boxes = [{"label": "cat", "box": [1, 1, 4, 4]}]
    labels: dict[str, Any] = {"5000.png": boxes, "cat/5001.png": [], "gone.png": boxes}
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    report = project.upload(folder, labels=tmp_path / "labels.json")
    assert [each.file_name for each in report.label_problems] == ["gone.png"]
    assert project.summary().objects == {"cat": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "about"),
    [
        (["project", "list"], 0, ""),
        (["project", "show", "--project", "nowhere"], 3, "no project 'nowhere'"),
        (["train", "status"], 3, "no run"),
        (["train", "start", "epochs=0"], 1, "/epochs"),
        (["train", "configure", "epochs"], 2, "NAME=VALUE"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else None,
)
def test_exit_codes(ann: Shell, project: Project, arguments: list[str], code: int, about: str) -> None:
    """In a pipe: JSON on stdout or nothing, what is wrong on stderr as JSON, and the promised code."""
    answer = ann.run(*arguments, "--json")
    assert answer.code == code, answer.err
    if code:
        assert about in answer.err
        assert answer.out == ""
        assert json.loads(answer.err)["error"]["detail"]
    else:
        assert project.id in [each["projectId"] for each in answer.json]


def test_a_stranger_is_told_how_to_log_in(shell: Shell) -> None:
    """A wrong password and no login at all are exit code 4."""
    wrong = shell.run("auth", "login", "ann", "--password-stdin", typed="a wrong password")
    assert (wrong.code, wrong.out) == (4, "")
    assert "wrong login or password" in wrong.err
    nobody = shell.run("project", "list")
    assert nobody.code == 4
    assert "darkroom auth login" in nobody.err


def test_processes_share_a_login_whose_token_ran_out(ann: Shell, project: Project) -> None:
    """Each goes on; the refresh token, which works once, was exchanged once."""
    store = FileStore(ann.folder / "config" / "darkroom" / "credentials.json", ann.url)
    kept = store.read()
    assert kept is not None
    store.write(type(kept)(kept.access_token, kept.refresh_token, 0, kept.user))
    processes = [ann.start("project", "show", "--json") for _ in range(3)]
    outs = []
    for each in processes:
        with each:
            outs.append(each.communicate(timeout=60)[0])
    assert [json.loads(each)["projectId"] for each in outs] == [project.id] * 3
    renewed = store.read()
    assert renewed is not None
    assert renewed.refresh_token != kept.refresh_token
    assert project.client.me().username == "ann"


def test_the_documentation_runs(shell: Shell) -> None:
    """Every line of docs/client.md: from a folder of images to a model, by command and in Python."""
    text = (ROOT / "docs" / "client.md").read_text()
    a_folder_of_digits(shell.folder / "digits")
    run_as(shell, "bob", "\n".join(re.findall(r"```bash\n(.+?)```", text, re.DOTALL)))
    [python] = re.findall(r"```python\n(.+?)```", text, re.DOTALL)
    said = run_as(shell, "bob", python, [sys.executable, "-c"])
    assert "20 images are new, 0 could not be taken" in said
    for name in ("model/model.onnx", "again.onnx"):
        assert (shell.folder / name).stat().st_size > 1_000_000
    assert (shell.folder / "digits.zip").exists()
    keeps_what_is_there(shell)
    has_its_log(shell)


def has_its_log(shell: Shell) -> None:
    """What the container wrote, its epoch's figures included; in JSON a document a line."""
    logs = ("train", "logs", "--project", "digits")
    shown = shell.run(*logs)
    assert (shown.code, shown.err.strip()) == (0, "completed")
    assert re.search(r"^\S+Z INFO    epoch 1  train loss .* accuracy ", shown.out, re.MULTILINE)
    followed = shell.run(*logs, "--follow", "--json")
    lines = [json.loads(each) for each in followed.out.splitlines()]
    assert [each["time"] for each in lines] == [each.split()[0] for each in shown.out.splitlines()]
    assert {each["attempt"] for each in lines} == {1}


def test_the_commands_of_the_readme_run(shell: Shell) -> None:
    """Those of "By command", pretrained and with the defaults but for the epochs."""
    [commands] = re.findall(r"```\n(darkroom .+?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert "darkroom train start --wait" in commands
    a_folder_of_digits(shell.folder / "digits")
    run_as(shell, "cid", commands)
    assert (shell.folder / "model.onnx").stat().st_size > 1_000_000


def a_folder_of_digits(folder: Path) -> None:
    """Twenty, even ones in one folder and odd ones in another."""
    files, labels = digits(20)
    for name, content in files:
        path = folder / str(int(labels[name]) % 2) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def run_as(shell: Shell, user: str, program: str, interpreter: Sequence[str] = ()) -> str:
    """Runs a page's lines, ann's there, as another user's; returns what they print."""
    (shell.folder / "darkroom").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m darkroom "$@"\n')
    (shell.folder / "darkroom").chmod(0o755)
    for name, other in (
        ("ann@example.org", f"{user}@example.org --password-stdin"),
        (" ann ", f" {user} "),
        ('"ann"', f'"{user}"'),
    ):
        program = program.replace(name, other)
    ran = subprocess.run(
        [*(interpreter or ("bash", "-euo", "pipefail", "-c")), program],
        cwd=shell.folder,
        env=shell.variables | {"PATH": f"{shell.folder}:{os.environ['PATH']}", "PASSWORD": PASSWORD},
        input=PASSWORD,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def keeps_what_is_there(shell: Shell) -> None:
    """A file of the user's is overwritten by --force alone, and beside it nothing is downloaded."""
    folder = shell.folder / "model"
    (folder / "README.md").write_text("mine")
    (folder / "model.onnx").unlink()
    command = ("results", "download", "onnx", "card", "--to", "model", "--project", "digits")
    refused = shell.run(*command)
    assert refused.code == 1
    for word in ("README.md", "--force", "--to"):
        assert word in refused.err
    assert [each.name for each in folder.iterdir()] == ["README.md"]
    assert (folder / "README.md").read_text() == "mine"
    assert shell.run(*command, "--force").code == 0
    assert (folder / "README.md").read_text() != "mine"
    assert shell.run(*command).code == 0  # the same content
    export = ("data", "export", "digits.zip", "--no-images", "--project", "digits")
    (shell.folder / "digits.zip").write_text("mine")
    refused = shell.run(*export)
    assert refused.code == 1
    for word in ("digits.zip", "--force"):
        assert word in refused.err
    assert (shell.folder / "digits.zip").read_text() == "mine"
    assert shell.run(*export, "--force").code == 0
    assert ZipFile(shell.folder / "digits.zip").testzip() is None
