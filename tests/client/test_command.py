"""The command where no server is needed: help, exit codes, what is printed where, how it is installed."""

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer
from darkroom import __version__, errors
from darkroom.cli.exits import command
from darkroom.cli.output import clean, size, table
from darkroom.cli.train import parsed
from darkroom.logins import FileStore, Login

ROOT = Path(__file__).parents[2]


def run(*arguments: str, folder: Path, **environ: str) -> "subprocess.CompletedProcess[str]":
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DARKROOM")}
    own = {"PYTHONPATH": str(ROOT / "client"), "XDG_CONFIG_HOME": str(folder), "XDG_STATE_HOME": str(folder)}
    return subprocess.run(
        [sys.executable, "-m", "darkroom", *arguments],
        cwd=folder,
        env=clean | own | environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )


_LOADED = """
import sys
sys.argv = ["darkroom", "--help"]
try:
    from darkroom.cli import main
    main()
except SystemExit:
    pass
print(sorted({"httpx", "rich", "pydantic", "asyncio"} & sys.modules.keys()), file=sys.stderr)
"""


def test_help_loads_nothing_that_it_does_not_need() -> None:
    """So that it is quick: no HTTP, no bars; and it names every command that was promised."""
    answer = subprocess.run(
        [sys.executable, "-c", _LOADED],
        env={"PYTHONPATH": str(ROOT / "client")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stderr.strip() == "[]"
    for name in ("up", "doctor", "auth", "project", "data", "train", "results", "open", "completion"):
        assert f"\n  {name} " in answer.stdout


def tree() -> dict[str, Any]:
    """Each command by its words."""
    from darkroom.cli.app import app

    groups = {f"{group.name} ": group.typer_instance.registered_commands for group in app.registered_groups}
    return {
        prefix + (each.name or each.callback.__name__): each.callback
        for prefix, commands in {"": app.registered_commands, **groups}.items()
        for each in commands
    }


PROMISED = """up, doctor, auth login, auth status, auth logout, project create, project list, project show,
project delete, data upload, data label, data import, data export, data stats, train configure, train start,
train status, train logs, train stop, train list, results show, results download, open, completion"""


def test_every_command_is_there_documented_and_has_json() -> None:
    """Each has a sentence, stands in docs/client.md, and takes --json where it has something to say."""
    commands = tree()
    assert {" ".join(each.split()) for each in PROMISED.split(",")} <= commands.keys()
    page = (ROOT / "docs" / "client.md").read_text()
    table_of = page[page.index("| command | does |") :].partition("\n\n")[0]
    for words, callback in commands.items():
        assert callback.__doc__, words
        assert f"`{words.split()[-1]}`" in table_of or f" {words.split()[-1]}`" in table_of, words
        if words not in ("up", "completion"):
            assert "as_json" in callback.__wrapped__.__annotations__, words


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ServerError("x"), 1),
        (errors.RunFailedError("x"), 1),
        (errors.ServerUnreachableError("x"), 1),
        (errors.ConfigurationError("x"), 2),
        (errors.NotFoundError("x"), 3),
        (errors.AuthenticationError("x"), 4),
        (errors.ForbiddenError("x"), 4),
        (KeyboardInterrupt(), 130),
        (typer.Abort(), 130),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, BaseException) else None,
)
def test_each_error_has_its_exit_code(
    capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    """One table from the error tree; what is said goes to stderr."""

    @command
    def failing() -> int:
        raise error

    with pytest.raises(typer.Exit) as ended:
        failing()
    assert ended.value.exit_code == code
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "upload"),
        ("nonsense",),
        ("project", "list", "--colour"),
        ("data", "upload", "x", "--workers", "0"),
    ],
    ids=" ".join,
)
def test_a_command_line_that_makes_no_sense_is_exit_code_2(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """As in every other command; with how to use it."""
    answer = run(*arguments, folder=tmp_path)
    assert answer.returncode == 2
    assert "Usage:" in answer.stderr
    assert answer.stdout == ""


def test_nobody_is_asked_where_nobody_is(tmp_path: Path) -> None:
    """Without a terminal a missing password is an error, and so is a question."""
    answer = run("auth", "login", "ann", folder=tmp_path)
    assert answer.returncode == 2
    assert "--password-stdin" in answer.stderr


def test_up_says_where_it_can_be_run(tmp_path: Path) -> None:
    """Outside of a checkout it explains itself; in one it finds the stack from a folder below."""
    answer = run("up", folder=tmp_path)
    assert answer.returncode == 2
    assert "no checkout" in answer.stderr
    from darkroom.cli.machine import _checkout

    assert _checkout(ROOT / "docs" / "adr") == ROOT


class _Project(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def test_a_server_that_comes_up_later_is_waited_for(tmp_path: Path) -> None:
    """The command says that nothing answers, tries again, and ends as if nothing had been."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [sys.executable, "-m", "darkroom", "project", "list", "--json"]
    environ = os.environ | {
        "PYTHONPATH": str(ROOT / "client"), "XDG_CONFIG_HOME": str(tmp_path),
        "DARKROOM_URL": f"http://127.0.0.1:{port}", "DARKROOM_API_KEY": "dk_secret",
    }  # fmt: skip
    with subprocess.Popen(
        arguments, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        assert "trying again in" in process.stderr.readline()
        with HTTPServer(("127.0.0.1", port), _Project) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            out, _ = process.communicate(timeout=60)
            server.shutdown()
            thread.join()
    assert process.returncode == 0
    assert json.loads(out) == []


def test_who_has_no_project_is_told_how_to_make_one(tmp_path: Path) -> None:
    """To choose one of none would be no advice."""
    with HTTPServer(("127.0.0.1", 0), _Project) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        answer = run("data", "stats", "--url", url, folder=tmp_path, DARKROOM_API_KEY="dk_secret")
        server.shutdown()
        thread.join()
    assert answer.returncode == 2
    assert "darkroom project create" in answer.stderr


@pytest.mark.parametrize("ended", [False, True], ids=["a proxy", "the API"])
def test_logging_out_forgets_a_login_that_has_ended_alone(tmp_path: Path, ended: bool) -> None:
    """What a proxy refuses is kept, since the server's side of it goes on."""
    code = "token-expired" if ended else "no-entry"
    document = {"type": f"urn:darkroom:problem:{code}", "code": code, "detail": "a sentence"}

    class Refusing(_Project):
        def do_POST(self) -> None:
            body = json.dumps(document).encode()
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        store = FileStore(tmp_path / "darkroom" / "credentials.json", url)
        store.write(Login("a", "r", 0))
        answer = run("auth", "logout", "--url", url, folder=tmp_path)
        server.shutdown()
        thread.join()
    assert answer.returncode == (0 if ended else 4)
    assert (store.read() is None) == ended


def test_doctor_names_what_is_wrong(tmp_path: Path) -> None:
    """A URL where nothing is: exit code 1, at once, with where the URL comes from."""
    (tmp_path / "darkroom.toml").write_text('url = "http://127.0.0.1:1"\n')
    answer = run("doctor", "--json", folder=tmp_path)
    assert answer.returncode == 1
    [check] = json.loads(answer.stdout)["checks"]
    assert (check["name"], check["ok"]) == ("url", False)
    assert "127.0.0.1:1" in check["detail"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(tmp_path: Path, shell: str) -> None:
    """The script asks the command itself, which then names its commands."""
    answer = run("completion", shell, folder=tmp_path)
    assert answer.returncode == 0
    assert "_DARKROOM_COMPLETE=complete_" in answer.stdout
    if shell == "bash":
        asked = {"_DARKROOM_COMPLETE": "complete_bash", "COMP_WORDS": "darkroom data ", "COMP_CWORD": "2"}
        assert "upload" in run(folder=tmp_path, **asked).stdout.split()


def test_parameters_are_read_as_json_where_they_are_any() -> None:
    """In whatever spelling of the name; what is no JSON is text."""
    given = [
        "epochs=20",
        "learning-rate=1e-3",
        "image_size=64",
        "pretrained=false",
        "optimizer=sgd",
        "mixup=NaN",
    ]
    assert parsed(given) == {
        "epochs": 20, "learningRate": 0.001, "imageSize": 64, "pretrained": False, "optimizer": "sgd",
        "mixup": "NaN",
    }  # fmt: skip
    for wrong in (["epochs"], ["=5"], ["epochs=1", "epochs=2"], ["e pochs=1"]):
        with pytest.raises(errors.ConfigurationError):
            parsed(wrong)


def test_nothing_that_is_printed_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """A class may be called anything; columns are aligned and never cut off."""
    assert "\x1b" not in clean("\x1b[2Jcat\x07")
    table(("CLASS", "IMAGES"), [("\x1b[31mcat" + "x" * 200, 5), ("dog", 12)])
    lines = capsys.readouterr().out.splitlines()
    assert len({len(each) for each in lines}) == 1
    assert "\x1b" not in "".join(lines)
    assert [size(each) for each in (5, 1500, 2_500_000, 3e9)] == ["5 B", "1.5 KB", "2.5 MB", "3.0 GB"]


def test_pip_install_gives_the_client_alone(tmp_path: Path) -> None:
    """The wheel of the repository's root has the package and the command, and nothing else of it."""
    build = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", build, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    with ZipFile(tmp_path / made.stdout.split()[-1]) as wheel:
        names = wheel.namelist()
        [about] = [each for each in names if each.endswith(".dist-info/entry_points.txt")]
        assert "darkroom = darkroom.cli:main" in wheel.read(about).decode()
    assert {each.split("/")[0] for each in names} == {"darkroom", f"darkroom-{__version__}.dist-info"}
    sources = {str(each.relative_to(ROOT / "client")) for each in (ROOT / "client").rglob("*.py")}
    assert sources | {"darkroom/py.typed"} <= set(names)
