"""The commands of infra/buildspec.yaml in a real shell, with programs that stand in for docker and aws.

Neither a daemon nor a registry is to be had in a test: the programs note what they are told, and `aws`
knows the tags in the file `tags`.
"""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from infra.images.sources import ROOT

DOCKER = """#!/bin/bash
echo "docker $*" >> log
[ "$1" != login ] || cat > password
[ "$1" != push ] || echo "${2##*/}" >> tags
"""
AWS = """#!/bin/bash
echo "aws $*" >> log
case "$2" in
  get-login-password) echo secret ;;
  batch-get-image) grep -cxF "$4:${6#imageTag=}" tags || true ;;
esac
"""
TRAINING, DATA = "1.dkr.ecr.eu-west-1.amazonaws.com/d-training", "1.dkr.ecr.eu-west-1.amazonaws.com/d-data"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The unpacked sources as far as the commands read them, and the programs."""
    for name, content in {"docker": DOCKER, "aws": AWS}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    for part in ("training_job", "data_job"):
        (tmp_path / part).mkdir()
        for name in ("Dockerfile", "requirements.txt"):
            (tmp_path / part / name).write_text(part)
    (tmp_path / "training_job" / "weights.py").touch()
    (tmp_path / "tags").touch()
    return tmp_path


def run(folder: Path, tag: str = "abc", **variables: str) -> list[str]:
    """What docker was told, as CodeBuild runs the commands of all phases; aws's part is left out."""
    specification = yaml.safe_load((ROOT / "infra" / "buildspec.yaml").read_text())
    phases = specification["phases"].values()
    (folder / "log").write_text("")
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}", "TRAINING_REPOSITORY": TRAINING, "DATA_REPOSITORY": DATA,
        "IMAGE_TAG": tag, "CODEBUILD_SOURCE_REPO_URL": f"bucket/images/{tag}.zip", **variables,
    }  # fmt: skip
    for command in [command for phase in phases for command in phase["commands"]]:
        subprocess.run(["bash", "-c", command], cwd=folder, env=environment, check=True, capture_output=True)
    return [line[7:] for line in (folder / "log").read_text().splitlines() if line.startswith("docker ")]


def builds(told: list[str]) -> list[str]:
    return [line for line in told if line.startswith("build ")]


def pushed(told: list[str]) -> list[str]:
    return [line.removeprefix("push ") for line in told if line.startswith("push ")]


def test_first_build_pushes_both_images(folder: Path) -> None:
    """It logs in without the password in a command line, and pushes each image and what it stands on."""
    told = run(folder)
    assert told[0] == "login --username AWS --password-stdin 1.dkr.ecr.eu-west-1.amazonaws.com"
    assert (folder / "password").read_text() == "secret\n"
    images = pushed(told)
    assert [images[1], images[3]] == [f"{DATA}:abc", f"{TRAINING}:abc"]
    assert images[0].startswith(f"{DATA}:runtime-")
    assert images[2].startswith(f"{TRAINING}:runtime-")
    assert f"--build-context runtime=docker-image://{images[2]}" in builds(told)[3]
    assert "--build-arg SOURCE=s3://bucket/images/abc.zip" in builds(told)[3]
    assert "--build-arg VERSION=abc" in builds(told)[3]
    assert "BASE_IMAGE" not in " ".join(told)
    assert "WEIGHTS" not in " ".join(told)


def test_tag_that_is_there_is_not_built_again(folder: Path) -> None:
    """A second build of the same sources does nothing but look."""
    run(folder)
    assert len(run(folder)) == 1  # the login


def test_one_missing_image_is_made(folder: Path) -> None:
    """A build that broke off between the images goes on with the second."""
    (folder / "tags").write_text("d-data:abc\n")
    assert [image.split(":")[0] for image in pushed(run(folder))] == [TRAINING, TRAINING]


def test_changed_code_sends_no_packages(folder: Path) -> None:
    """With the same requirements a new tag stands on the packages that are in the repository."""
    run(folder)
    assert pushed(run(folder, tag="def")) == [f"{DATA}:def", f"{TRAINING}:def"]


@pytest.mark.parametrize("name", ["requirements.txt", "Dockerfile", "weights.py"])
def test_changed_packages_are_made_again(folder: Path, name: str) -> None:
    """What decides about packages and weights decides about the tag that they have."""
    run(folder)
    (folder / "training_job" / name).write_text("changed")
    runtimes = [image for image in pushed(run(folder, tag="def")) if "runtime-" in image]
    assert [image for image in runtimes if image.startswith(TRAINING)]


@pytest.mark.parametrize(
    ("name", "value"), [("BASE_IMAGE", "base@sha256:1"), ("WEIGHTS", "resnet18 swin_t"), ("WEIGHTS", "none")]
)
def test_choices_reach_the_build(folder: Path, name: str, value: str) -> None:
    """Another base or other weights are other packages; what is left to the Dockerfile is no argument."""
    told = run(folder, BASE_IMAGE="default", WEIGHTS="default")
    assert not any(name in line for line in told)
    told = run(folder, tag="def", **{name: value})
    assert len(pushed(told)) == 4
    assert all(f"--build-arg {name}={value} --" in line for line in builds(told))


def test_registry_that_fails_fails_the_build(folder: Path) -> None:
    """An error is no answer to whether a tag is there: nothing is built on it."""
    (folder / "aws").write_text("#!/bin/bash\n[ $2 = get-login-password ] || exit 254\n")
    with pytest.raises(subprocess.CalledProcessError):
        run(folder)
    assert "docker build" not in (folder / "log").read_text()
