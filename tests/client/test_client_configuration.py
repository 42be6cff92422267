"""Which setting is in force: flag, environment, ./darkroom.toml, the user's own file."""

import stat
from pathlib import Path

import pytest
from darkroom.configuration import DEFAULT_URL, load, remember
from darkroom.errors import ConfigurationError
from darkroom.files import config_folder, state_folder, write_private


def test_the_nearer_place_wins(tmp_path: Path) -> None:
    """Each place hides those after it, and says where a value is from."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    assert load(environ, tmp_path).url.value == DEFAULT_URL
    remember(tmp_path / "config" / "darkroom" / "config.toml", url="https://user", project="user's")
    assert load(environ, tmp_path).url.value == "https://user"
    (tmp_path / "darkroom.toml").write_text('url = "https://folder"\n')
    assert load(environ, tmp_path).url.source == "darkroom.toml"
    environ["DARKROOM_URL"] = "https://environment"
    assert load(environ, tmp_path).url.value == "https://environment"
    found = load(environ, tmp_path, url="https://flag")
    assert (found.url.value, found.url.source) == ("https://flag", "the command line")
    assert found.project is not None
    assert found.project.value == "user's"


def test_an_empty_value_is_none(tmp_path: Path) -> None:
    """A variable that is set to nothing hides nothing."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "DARKROOM_URL": "", "DARKROOM_API_KEY": ""}
    found = load(environ, tmp_path)
    assert found.url.value == DEFAULT_URL
    assert (found.project, found.api_key) == (None, None)


@pytest.mark.parametrize(
    ("text", "about"),
    [
        ("url = ", "cannot read"),
        ("colour = 'red'", "unknown setting 'colour'"),
        ("api_key = 'dk_secret'", "unknown setting 'api_key'"),
        ("project = 5", "project is no text"),
        ("\xff", "cannot read"),
    ],
)
def test_a_file_that_is_wrong_is_named(tmp_path: Path, text: str, about: str) -> None:
    """With what is wrong in it; a secret in it is refused, and isn't repeated."""
    (tmp_path / "darkroom.toml").write_text(text, encoding="latin-1")
    with pytest.raises(ConfigurationError, match=about) as caught:
        load({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
    assert "darkroom.toml" in caught.value.detail
    assert "dk_secret" not in f"{caught.value.detail} {caught.value.hint}"


def test_remembering_leaves_the_rest_of_a_file_alone(tmp_path: Path) -> None:
    """Comments and other settings stay; a value is replaced where it stands, quoted as TOML has it."""
    path = tmp_path / "darkroom.toml"
    path.write_text('# ours\nproject = "old"\nurl = "https://a"\n')
    remember(path, project='a "b" \\ c')
    assert path.read_text().splitlines() == ["# ours", 'project = "a \\"b\\" \\\\ c"', 'url = "https://a"']
    found = load({"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
    assert found.project is not None
    assert found.project.value == 'a "b" \\ c'


def test_the_users_own_file_is_private(tmp_path: Path) -> None:
    """0600, in a folder of 0700, also where it was more open before."""
    path = tmp_path / "darkroom" / "config.toml"
    remember(path, url="https://a")
    path.chmod(0o644)
    remember(path, url="https://b")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_file_is_the_old_one_or_the_new_one(tmp_path: Path) -> None:
    """Where the new one can't be written whole, the old one stays and nothing is left beside it."""
    path = tmp_path / "file"
    write_private(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_private(path, "new \udcff")
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_folders_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG's where they are set, else below the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert config_folder({}) == tmp_path / ".config" / "darkroom"
    assert state_folder({}) == tmp_path / ".local" / "state" / "darkroom"
    assert state_folder({"XDG_STATE_HOME": "/s"}) == Path("/s/darkroom")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    """Not a trace, but a sentence."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot make"):
        write_private(tmp_path / "file" / "darkroom" / "config.toml", "")
