"""A detector trained by `python -m training_job` as a real process."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from training_project import TINY, Project, project_in

from chalicelib.contract.states import Status
from infra.local.aws import EmbeddedAws

BOXES = [{"label": "sun", "box": [2, 3, 12, 16]}, {"label": "moon", "box": [0, 0, 9, 9]}]
CONFIG = replace(TINY, architecture="ssdlite_mobilenet_v2", image_size=64, batch_size=4, learning_rate=1e-3)


@pytest.fixture
def project(stack: EmbeddedAws, tmp_path: Path) -> Iterator[Project]:
    with project_in(stack, tmp_path) as project:
        yield project


def add_image(project: Project, objects: list[dict[str, Any]]) -> None:
    project.add_image("day")
    project.entries[-1] = replace(project.entries[-1], label=objects)


def test_a_detector_leaves_all_that_a_classifier_does(project: Project) -> None:
    """Boxes of two classes, and images of nothing: the run completes with figures, mistakes and files."""
    for index in range(12):
        add_image(project, BOXES[: 1 + index % 2] if index % 4 else [])
    project.add_session(CONFIG)
    assert project.run() == 0

    session = project.session
    assert session.status == Status.COMPLETED
    assert [each.train_accuracy for each in project.history] == [None, None]
    results = json.loads(project.object(session.results_key or ""))
    assert results["accuracy"] == results["detection"]["map50"] >= results["detection"]["map"] >= 0
    assert results["confusionMatrix"]["classes"] == ["moon", "sun", "background"]
    assert [each["class"] for each in results["perClass"]] == ["moon", "sun"]
    for mistake in results["misclassified"]:
        left, top, width, height = mistake["box"]
        assert 0 <= left <= left + width <= 20.1
        assert 0 <= top <= top + height <= 24.1
    assert results["modelDetails"]["onnxMaxDifference"] < 1e-3

    bodies = {each["format"]: project.object(each["key"]) for each in results["artifacts"]}
    assert json.loads(bodies["config"])["output"].keys() == {"boxes", "scores", "nms"}
    onnx = onnxruntime.InferenceSession(bodies["onnx"], providers=["CPUExecutionProvider"])
    assert [each.name for each in onnx.get_outputs()] == ["boxes", "scores"]
    assert bodies["labels"].decode().split() == ["moon", "sun"]


def test_objects_of_nothing_are_no_data(project: Project) -> None:
    """Images without a single object fail before anything is trained, with what to do."""
    for _ in range(4):
        add_image(project, [])
    project.add_session(CONFIG)
    assert project.run() == 1
    assert (project.session.failure_reason or {})["code"] == "no-trainable-data"
