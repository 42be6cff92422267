"""The zip of which CodeBuild makes the images."""

import hashlib
import os
import re
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest

from infra.images import source_zip
from infra.images.__main__ import main
from infra.images.sources import ROOT, source_tag


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A small one, of which an image is made of `lib/` and `app/__init__.py`."""
    root = tmp_path / "checkout"
    contents = {
        ".dockerignore": "*\n!app/__init__.py\n!lib/**\n**/__pycache__\n",
        "infra/buildspec.yaml": "version: 0.2\n",
        "app/__init__.py": "",
        "app/secret.env": "KEY=1",
        "lib/deep/code.py": "a = 1\n",
        "lib/Dockerfile": "FROM scratch\n",
        "lib/__pycache__/code.pyc": "compiled",
    }
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


def names_in(path: Path) -> list[str]:
    with ZipFile(path) as archive:
        return archive.namelist()


def test_zip_holds_what_the_images_are_made_of(checkout: Path, tmp_path: Path) -> None:
    """What .dockerignore lets in is there with the build's own files; all else of the checkout is not."""
    sources = source_zip(tmp_path / "out", checkout)
    assert names_in(sources.path) == [
        ".dockerignore", "app/__init__.py", "infra/buildspec.yaml", "lib/Dockerfile", "lib/deep/code.py"
    ]  # fmt: skip
    assert sources.path == tmp_path / "out" / f"{sources.tag}.zip"
    assert re.fullmatch("[0-9a-f]{16}", sources.tag)


def test_same_sources_make_the_same_zip(checkout: Path, tmp_path: Path) -> None:
    """Another checkout at another time with other permissions gives the same tag and the same bytes."""
    other = tmp_path / "other"
    shutil.copytree(checkout, other)
    for path in other.rglob("*"):
        os.utime(path, (0, 0))
    (other / "lib/deep/code.py").chmod(0o755)
    first, second = source_zip(tmp_path / "1", checkout), source_zip(tmp_path / "2", other)
    assert first.tag == second.tag
    assert first.path.read_bytes() == second.path.read_bytes()


@pytest.mark.parametrize("name", ["lib/deep/code.py", "infra/buildspec.yaml", ".dockerignore", "lib/new.py"])
def test_other_sources_have_another_tag(checkout: Path, name: str) -> None:
    """A changed or new file of the images is another image; one that isn't in them changes nothing."""
    before = source_tag(checkout)
    (checkout / "app/secret.env").write_text("KEY=2")
    (checkout / "lib/__pycache__/code.pyc").write_text("compiled again")
    assert source_tag(checkout) == before
    with (checkout / name).open("a") as file:
        file.write("# more\n")
    assert source_tag(checkout) != before


def test_other_choices_are_another_image(checkout: Path, tmp_path: Path) -> None:
    """The tag is of what is built: the same sources on another base, or with other weights, are another."""
    choices = ({}, {"BASE_IMAGE": "base"}, {"WEIGHTS": "base"}, {"WEIGHTS": "none"})
    tags = {source_zip(tmp_path, checkout, chosen).tag for chosen in choices}
    assert len(tags) == len(choices)
    assert source_tag(checkout) in tags


def test_renamed_file_is_another_source(checkout: Path) -> None:
    """The tag is of names and contents, and not of contents alone."""
    before = source_tag(checkout)
    (checkout / "lib/deep/code.py").rename(checkout / "lib/deep/other.py")
    assert source_tag(checkout) != before


def test_incomplete_checkout_says_so(checkout: Path, tmp_path: Path) -> None:
    """Where something is missing there is no zip, and the sentence names what is missing."""
    shutil.rmtree(checkout / "lib")
    with pytest.raises(FileNotFoundError, match=r"lib is missing.*whole checkout"):
        source_zip(tmp_path / "out", checkout)
    assert not (tmp_path / "out").exists()


def test_zip_of_this_checkout_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever both Dockerfiles copy is in the zip that the command writes, and no test, no key, no app."""
    monkeypatch.setattr("sys.argv", ["images", "sources", "--folder", str(tmp_path)])
    assert main() == 0
    path, tag = capsys.readouterr().out.split()
    names = names_in(Path(path))
    assert hashlib.sha256(b"".join(_line(name) for name in names)).hexdigest()[:16] == tag
    for dockerfile in ("training_job/Dockerfile", "data_job/Dockerfile"):
        assert dockerfile in names
        for line in re.findall("^COPY (?!--from)(.+)$", (ROOT / dockerfile).read_text(), re.MULTILINE):
            for source in line.split()[:-1]:
                assert any(name == source or name.startswith(f"{source}/") for name in names), source
    assert {name.split("/")[0] for name in names} == {
        ".dockerignore", "chalicelib", "data_job", "infra", "training_job"
    }  # fmt: skip


def _line(name: str) -> bytes:
    return f"{hashlib.sha256((ROOT / name).read_bytes()).hexdigest()}  {name}\n".encode()
