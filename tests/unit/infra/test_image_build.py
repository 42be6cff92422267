"""What builds an image, and what it is told."""

from pathlib import Path

import pytest

from infra.images.__main__ import main
from infra.images.build import Wanted, available_builder
from infra.images.sources import ROOT, source_tag


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path; each program in it writes its arguments to `<name>.log` there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def program(folder: Path, name: str, code: int = 0) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$@" >> {folder}/{name}.log\nexit {code}\n')
    path.chmod(0o755)


def test_docker_comes_first_if_its_daemon_answers(programs: Path) -> None:
    """Of both, docker builds."""
    program(programs, "docker")
    program(programs, "buildah")
    assert available_builder() == "docker"


def test_docker_without_a_daemon_is_none(programs: Path) -> None:
    """A client alone can't build, but buildah can."""
    program(programs, "docker", code=1)
    program(programs, "buildah")
    assert available_builder() == "buildah"


def test_without_a_builder_it_says_what_to_do(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One sentence, and what goes on without: no traceback."""
    monkeypatch.setattr("sys.argv", ["images", "build"])
    assert main() == 1
    assert "let CodeBuild build: make deploy does" in capsys.readouterr().err


def test_image_is_named_by_its_sources() -> None:
    """The tag is that of the zip, and a base or weights that nobody chose are left to the Dockerfile."""
    wanted = Wanted.of_checkout("training")
    assert wanted.name == f"darkroom-training:{source_tag()}"
    other = Wanted.of_checkout("training", "base:1", "swin_t")
    assert other.tag == source_tag(chosen={"BASE_IMAGE": "base:1", "WEIGHTS": "swin_t"})
    options = wanted.options()
    assert options[:4] == ["--file", str(ROOT / "training_job" / "Dockerfile"), "--tag", wanted.name]
    assert {option.split("=")[0] for option in options if "=" in option} == {"VERSION", "REVISION"}


@pytest.mark.parametrize(
    ("which", "chosen"),
    [("training", ["BASE_IMAGE=base:1", "WEIGHTS="]), ("data", ["BASE_IMAGE=base:1"])],
)
def test_base_and_weights_are_arguments(which: str, chosen: list[str]) -> None:
    """No weights are a choice, too; the image of imports and exports has none."""
    options = Wanted(which=which, tag="t", base="base:1", weights="").options()  # type: ignore[arg-type]
    assert [option for option in options if option.startswith(("BASE_IMAGE", "WEIGHTS"))] == chosen


@pytest.mark.parametrize(("builder", "verb"), [("docker", "build"), ("buildah", "build --isolation chroot")])
def test_command_builds_with_what_it_is_told(
    programs: Path, monkeypatch: pytest.MonkeyPatch, builder: str, verb: str
) -> None:
    """The builder is started once for the one image that is wanted, with the checkout as its context."""
    program(programs, builder)
    monkeypatch.setattr("sys.argv", ["images", "build", "--which", "data", "--builder", builder])
    assert main() == 0
    [line] = (programs / f"{builder}.log").read_text().splitlines()
    assert line.startswith(verb)
    assert line.endswith(f" {ROOT}")
    assert str(ROOT / "data_job" / "Dockerfile") in line


def test_builder_that_fails_fails_the_command(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code says so, and the sentence names the image."""
    program(programs, "docker", code=3)
    monkeypatch.setattr("sys.argv", ["images", "build", "--builder", "docker"])
    assert main() == 1
    assert f"darkroom-data:{source_tag()} was not built" in capsys.readouterr().err
