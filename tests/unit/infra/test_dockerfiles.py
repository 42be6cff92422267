"""What the Dockerfiles promise of the images, as far as it can be read in them."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from infra.images.sources import ROOT

PATHS = [ROOT / "training_job" / "Dockerfile", ROOT / "data_job" / "Dockerfile"]
both = pytest.mark.parametrize("path", PATHS, ids=["training", "data"])


def instructions(path: Path) -> list[tuple[str, str]]:
    """Each with its arguments, continuation lines joined and comments left out."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines()]  # type: ignore[misc]


def stages(path: Path) -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by its name; that of the last is empty."""
    found: dict[str, list[tuple[str, str]]] = {"before": []}
    for name, arguments in instructions(path):
        if name == "FROM":
            found[arguments.partition(" AS ")[2]] = []
        list(found.values())[-1].append((name, arguments))
    return found


def image(path: Path) -> list[tuple[str, str]]:
    """The instructions whose layers and settings are in the image."""
    found = stages(path)
    return found["runtime"] + found[""]


def environment(path: Path) -> dict[str, str]:
    return dict(
        part.split("=", 1)
        for name, arguments in image(path)
        if name == "ENV"
        for part in shlex.split(arguments)
    )


def test_hadolint_finds_nothing() -> None:
    """No rule of hadolint's is broken, down to the notes on style."""
    command = [str(Path(sys.executable).with_name("hadolint")), "--failure-threshold", "style", *PATHS]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


def test_both_images_have_one_base_by_its_digest() -> None:
    """The base is an argument, whose default is a digest in Amazon's public registry: nobody can move it."""
    bases = {dict(stages(path)["before"])["ARG"] for path in PATHS}
    assert len(bases) == 1
    assert re.fullmatch(
        r"BASE_IMAGE=public\.ecr\.aws/docker/library/python:3\.13-slim@sha256:[0-9a-f]{64}", bases.pop()
    )
    for path in PATHS:
        assert [found[0] for found in stages(path).values()][1:-1] == [
            ("FROM", f"{base} AS {stage}")
            for stage in list(stages(path))[1:-1]
            for base in ["packages" if stage == "weights" else "${BASE_IMAGE}"]
        ]


@both
def test_image_runs_as_nobody_of_note_under_tini(path: Path) -> None:
    """The user is a number that isn't root's, tini is process 1, and the job definition gives the command."""
    settings = dict(image(path))
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", settings["USER"])
    assert json.loads(settings["ENTRYPOINT"]) == ["/usr/bin/tini", "--"]
    assert json.loads(settings["CMD"]) == ["python", "-m", path.parent.name]
    assert "HEALTHCHECK" not in settings


@both
def test_only_the_volume_is_written_to(path: Path) -> None:
    """Every folder that a library writes to is in the one volume, as all else may be mounted read-only."""
    [volume] = json.loads(dict(image(path))["VOLUME"])
    variables, places = environment(path), ("HOME", "TMPDIR", "MPLCONFIGDIR", "NUMBA_CACHE_DIR")
    written = {name: variables.get(name) for name in places if name in variables}
    assert {"HOME", "TMPDIR"} <= set(written)
    assert all(Path(place or "").is_relative_to(volume) for place in written.values())
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"
    # What comes after the declaration of a volume would not be in it.
    assert [name for name, _ in image(path)][-4:] == ["VOLUME", "USER", "ENTRYPOINT", "CMD"]


@both
def test_nothing_is_installed_in_the_image_itself(path: Path) -> None:
    """Tools for building stay in another stage: the only RUN makes a user, and removes the base's pip."""
    [run] = [arguments for name, arguments in image(path) if name == "RUN"]
    assert [command.split()[0] for command in run.split("&&")] == ["useradd", "rm"]
    copied = [arguments for name, arguments in image(path) if name == "COPY"]
    assert "/opt/tools" not in " ".join(copied)


@both
def test_image_says_where_it_comes_from(path: Path) -> None:
    """Source, version, revision and base are labels, by the names of the OCI image specification."""
    labels = shlex.split(dict(image(path))["LABEL"])
    named = {label.split("=")[0].removeprefix("org.opencontainers.image.") for label in labels}
    assert named == {"title", "description", "source", "version", "revision", "base.name"}
