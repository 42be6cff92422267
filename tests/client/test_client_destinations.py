"""Secrets go to a URL of the present folder's darkroom.toml only where the user named it too."""

import sys
from pathlib import Path

import pytest
from darkroom.cli import auth
from darkroom.client import Client
from darkroom.configuration import Settings, load, remember
from darkroom.errors import ConfigurationError

EVIL = "https://evil.example"


def cloned(folder: Path, url: str = EVIL, flag: str | None = None, **environ: str) -> Settings:
    """The settings in a folder that somebody else made, with an API key in the environment."""
    (folder / "darkroom.toml").write_text(f'url = "{url}"\n')
    key = {"XDG_CONFIG_HOME": str(folder / "config"), "DARKROOM_API_KEY": "dk_secret"}
    return load(key | environ, folder, flag)


def test_a_key_is_not_sent_where_a_folder_says(tmp_path: Path) -> None:
    """Nothing is connected; what is said names the URL, the file and what to do."""
    with pytest.raises(
        ConfigurationError, match=r"DARKROOM_API_KEY .*evil\.example.*darkroom\.toml"
    ) as caught:
        Client.from_settings(cloned(tmp_path))
    assert "--url" in str(caught.value.hint)
    assert "dk_secret" not in str(caught.value)


@pytest.mark.parametrize("way", ["flag", "environment", "own file", "this machine"])
def test_a_key_is_sent_where_the_user_says(tmp_path: Path, way: str) -> None:
    """The same URL in a place that is the user's own, or a server on this machine."""
    remember(tmp_path / "config" / "darkroom" / "config.toml", project="pets")
    if way == "own file":
        remember(tmp_path / "config" / "darkroom" / "config.toml", url=f"{EVIL}/api/")
    settings = {
        "flag": lambda: cloned(tmp_path, flag=EVIL),
        "environment": lambda: cloned(tmp_path, DARKROOM_URL=EVIL),
        "own file": lambda: cloned(tmp_path),
        "this machine": lambda: cloned(tmp_path, "http://127.0.0.1:8000"),
    }[way]()
    with Client.from_settings(settings) as client:
        assert client.transport.credentials is not None
        assert client.transport.credentials.token() == "dk_secret"


@pytest.mark.parametrize("own", ["https://good.example", "http://evil.example", "https://evil.example:444"])
def test_another_url_of_the_user_vouches_for_nothing(tmp_path: Path, own: str) -> None:
    """Scheme, host and port are the same, or it is another one."""
    remember(tmp_path / "config" / "darkroom" / "config.toml", url=own)
    with pytest.raises(ConfigurationError, match="only"):
        Client.from_settings(cloned(tmp_path))


class Typed:
    """What stands in for standard input; notes whether it was read."""

    def __init__(self, is_terminal: bool) -> None:
        self.is_terminal = is_terminal
        self.was_read = False

    def isatty(self) -> bool:
        return self.is_terminal

    def readline(self) -> str:
        self.was_read = True
        return "secret\n"


def test_a_password_from_a_pipe_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the key; where the user named the URL it is."""
    typed = Typed(is_terminal=False)
    monkeypatch.setattr(sys, "stdin", typed)
    with pytest.raises(ConfigurationError, match=r"evil\.example"):
        auth._password(cloned(tmp_path), from_stdin=True)
    assert not typed.was_read
    assert auth._password(cloned(tmp_path, flag=EVIL), from_stdin=True) == "secret"


def test_the_prompt_says_for_which_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where it comes from, so that a person can refuse."""
    asked: list[str] = []

    def prompt(text: str, **_: object) -> str:
        asked.append(text)
        return "secret"

    monkeypatch.setattr(sys, "stdin", Typed(is_terminal=True))
    monkeypatch.setattr(auth.typer, "prompt", prompt)
    auth._password(cloned(tmp_path), from_stdin=False)
    auth._password(cloned(tmp_path, flag="https://good.example"), from_stdin=False)
    assert asked == [
        "Password for https://evil.example (from darkroom.toml)",
        "Password for https://good.example (from the command line)",
    ]
