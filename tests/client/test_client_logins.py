"""Logins that renew themselves, shared by threads and processes; a refresh token works once."""

import json
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from darkroom.errors import AuthenticationError, ConfigurationError, ServerUnreachableError
from darkroom.logins import FileStore, Login, MemoryStore, RenewingLogin
from darkroom.models import Tokens
from darkroom.problems import problem_of

from tests.client.conftest import problem

URL = "https://darkroom.example"


class Issuer:
    """Exchanges each refresh token once, as the API does: a second use ends the login."""

    def __init__(self) -> None:
        self.newest = "r0"
        self.exchanges = 0
        self._lock = threading.Lock()

    def __call__(self, refresh_token: str) -> Tokens:
        with self._lock:
            if refresh_token != self.newest:
                self.newest = ""
                raise problem_of(problem(401, "refresh-token-reused"))
            self.exchanges += 1
            self.newest = f"r{self.exchanges}"
            return Tokens(access_token=f"a{self.exchanges}", refresh_token=self.newest, expires_in=900)


def login(expires_in: float = 900) -> Login:
    return Login("a0", "r0", time.time() + expires_in, "ann")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "config" / "credentials.json", URL)


def test_a_fresh_token_is_used_as_it_is() -> None:
    """Nothing is exchanged while it holds."""
    issuer = Issuer()
    assert RenewingLogin(MemoryStore(login()), issuer).token() == "a0"
    assert issuer.exchanges == 0


def test_an_old_token_is_renewed_before_it_is_sent(store: FileStore) -> None:
    """Seconds before it runs out; the new tokens are kept, with the user."""
    store.write(login(expires_in=20))
    assert RenewingLogin(store, Issuer()).token() == "a1"
    kept = store.read()
    assert kept is not None
    assert (kept.refresh_token, kept.user) == ("r1", "ann")
    assert kept.is_fresh


def test_a_refused_token_is_renewed_once_for_many_requests() -> None:
    """Many threads whose token is refused at the same time exchange one refresh token, once."""
    issuer = Issuer()
    shared = RenewingLogin(MemoryStore(login()), issuer)
    shared.token()
    with ThreadPoolExecutor(16) as pool:
        tokens = list(pool.map(shared.renew, ["a0"] * 64))
    assert set(tokens) == {"a1"}
    assert issuer.exchanges == 1


def test_processes_renew_one_after_another(tmp_path: Path) -> None:
    """Eight logins of the same file, each as a process of its own has it: one exchange, and all go on."""
    path, issuer = tmp_path / "credentials.json", Issuer()
    FileStore(path, URL).write(login(expires_in=0))
    each = [RenewingLogin(FileStore(path, URL), issuer) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(RenewingLogin.token, each))
    assert set(tokens) == {"a1"}
    assert issuer.exchanges == 1


_HOLD = """
import sys
from pathlib import Path
from darkroom.logins import FileStore

with FileStore(Path(sys.argv[1]), "u").held():
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_the_lock_holds_among_processes_and_ends_with_one_that_is_killed(tmp_path: Path) -> None:
    """Another process waits, until the one that held it is gone in whatever way."""
    path = tmp_path / "credentials.json"
    FileStore(path, URL).write(login(expires_in=0))
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[2] / "client")},
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(RenewingLogin(FileStore(path, URL), Issuer()).token)
            time.sleep(0.2)
            assert not waiting.done()
            holder.kill()
            assert waiting.result(timeout=10) == "a1"


def test_a_login_that_ended_is_forgotten(store: FileStore) -> None:
    """An expired session says how to log in again, and isn't tried a second time."""
    store.write(replace(login(expires_in=0), refresh_token="stolen"))
    with pytest.raises(AuthenticationError, match="expired") as caught:
        RenewingLogin(store, Issuer()).token()
    assert "darkroom auth login" in str(caught.value.hint)
    assert store.read() is None


def test_a_lost_network_does_not_end_a_login(store: FileStore) -> None:
    """What could not be exchanged is kept for the next time."""

    def unreachable(_: str) -> Tokens:
        raise ServerUnreachableError("no answer")

    store.write(login(expires_in=0))
    with pytest.raises(ServerUnreachableError):
        RenewingLogin(store, unreachable).token()
    assert RenewingLogin(store, Issuer()).token() == "a1"


@pytest.mark.parametrize(
    "answer",
    [
        problem(403, "address-not-allowed"),
        problem(403, "unauthenticated"),
        problem(401, "proxy-authentication"),
        httpx.Response(401, content=b"<html>log in to the hotel</html>"),
        httpx.Response(401, json={"code": "unauthenticated"}),
    ],
    ids=["address", "forbidden", "other code", "no JSON", "no problem"],
)
def test_an_answer_that_is_not_about_the_login_does_not_end_it(
    store: FileStore, answer: httpx.Response
) -> None:
    """From another address, or without the proxy, it goes on."""

    def refused(_: str) -> Tokens:
        raise problem_of(answer)

    store.write(login(expires_in=0))
    with pytest.raises(AuthenticationError) as caught:
        RenewingLogin(store, refused).token()
    assert caught.value.status == answer.status_code
    assert RenewingLogin(store, Issuer()).token() == "a1"


@pytest.mark.parametrize("code", ["unauthenticated", "token-expired", "refresh-token-reused"])
def test_each_way_in_which_a_login_ends_is_known(store: FileStore, code: str) -> None:
    """By the codes of the API's own problems."""

    def over(_: str) -> Tokens:
        raise problem_of(problem(401, code))

    store.write(login(expires_in=0))
    with pytest.raises(AuthenticationError, match="the session has expired"):
        RenewingLogin(store, over).token()
    assert store.read() is None


def test_without_a_lock_no_token_is_exchanged(store: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a file system without locks two could exchange the same one, which would end the login."""

    def without_locks(*_: int) -> None:
        raise OSError("no locks available")

    store.write(login(expires_in=0))
    issuer = Issuer()
    with monkeypatch.context() as patched:
        patched.setattr("fcntl.flock", without_locks)
        with pytest.raises(ConfigurationError, match="cannot lock") as caught:
            RenewingLogin(store, issuer).token()
    assert "XDG_CONFIG_HOME" in str(caught.value.hint)
    assert issuer.exchanges == 0
    assert RenewingLogin(store, issuer).token() == "a1"


def test_nobody_is_logged_in(store: FileStore) -> None:
    """Without a file, and after logging out."""
    with pytest.raises(AuthenticationError, match="not logged in"):
        RenewingLogin(store, Issuer()).token()
    store.write(login())
    store.write(None)
    with pytest.raises(AuthenticationError, match="not logged in"):
        RenewingLogin(store, Issuer()).token()


def test_tokens_are_private_and_of_one_server(tmp_path: Path) -> None:
    """Only the user can read the file, and no other server is sent what stands in it."""
    path = tmp_path / "config" / "credentials.json"
    FileStore(path, URL).write(login())
    FileStore(path, "https://other.example").write(replace(login(), access_token="other"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    kept = FileStore(path, URL).read()
    assert kept is not None
    assert kept.access_token == "a0"
    assert FileStore(path, "https://third.example").read() is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    """With what to do; never a trace."""
    path = tmp_path / "credentials.json"
    path.write_text("{")
    with pytest.raises(ConfigurationError, match=r"credentials\.json") as caught:
        FileStore(path, URL).read()
    assert "log in again" in str(caught.value.hint)


@pytest.mark.parametrize("text", ["[]", '{"https://darkroom.example": {"token": 1}}'])
def test_a_file_of_another_version_is_no_login(tmp_path: Path, text: str) -> None:
    """The next login replaces it."""
    path = tmp_path / "credentials.json"
    path.write_text(text)
    assert FileStore(path, URL).read() is None
    FileStore(path, URL).write(login())
    assert list(json.loads(path.read_text())) == [URL]
