"""The environments of the peers."""

import subprocess
from pathlib import Path

import pytest

from bench.training import venvs
from bench.training.sides import PEERS, sides


def test_an_environment_sees_the_same_torch(tmp_path):
    """A peer's interpreter finds the packages of the present environment, and is not made twice."""
    ran: list[str] = []
    python = venvs.python_of("torchvision", tmp_path, lambda command: ran.extend(command))
    spec = "import importlib.util as u; print(u.find_spec('torch').origin)"
    where = subprocess.run([python, "-c", spec], capture_output=True, text=True, check=True).stdout.strip()
    import torch

    assert Path(where) == Path(torch.__file__)
    assert "-r" in ran
    ran.clear()
    assert venvs.python_of("torchvision", tmp_path, lambda command: ran.extend(command)) == python
    assert not ran


def test_other_pins_make_an_environment_anew(tmp_path):
    """An environment that was made from other pins than the present ones is replaced."""
    ran: list[str] = []
    venvs.python_of("torchvision", tmp_path, lambda command: ran.extend(command))
    (tmp_path / "torchvision" / "installed.txt").write_text("torch==0.1\n")
    ran.clear()
    venvs.python_of("torchvision", tmp_path, lambda command: ran.extend(command))
    assert ran


def test_a_peer_that_does_not_install_is_named(tmp_path):
    """The others run all the same, and what pip said is kept."""

    def python_of(name: str, folder: Path) -> Path:
        if name == "timm":
            raise venvs.InstallError("no matching distribution")
        return folder / name

    found, missing = sides({"timm": PEERS["timm"], "fastai": PEERS["fastai"]}, tmp_path, python_of)
    assert [each.name for each in found] == ["ours", "fastai"]
    assert missing == {"timm": "no matching distribution"}


@pytest.mark.parametrize("name", PEERS)
def test_every_peer_has_its_pins_and_its_script(name):
    """A peer's requirements all name one version, and its module is there."""
    lines = (venvs.REQUIREMENTS / f"{name}.txt").read_text().splitlines()
    assert all("==" in line for line in lines if not line.startswith("#"))
    assert (venvs.REQUIREMENTS.parent / f"{PEERS[name]}.py").is_file()
