import hashlib
import json
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest
from finished import make_fit, make_outcome, stored
from tiny import make_config

from chalicelib.contract.results import BACKGROUND, ConfusionMatrix
from training_job.engine import Ending
from training_job.outcome import make_results

FORMATS = [
    "safetensors", "onnx", "config", "labels", "environment", "run",
    "confusion-matrix", "curves", "mistakes", "card",
]  # fmt: skip

CONFIG = make_config(seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of two processes that its owner stopped."""
    path = tmp_path_factory.mktemp("report")
    stored(make_outcome(CONFIG, devices=2, fit=make_fit(0, 1, ending=Ending.STOPPED)), path)
    return path


def test_report_names_what_it_stored(folder: Path) -> None:
    """Every artifact lies where the results say, with the size and the hash that they say."""
    results = json.loads((folder / "results.json").read_bytes())
    assert [each["format"] for each in results["artifacts"]] == FORMATS
    for artifact in results["artifacts"]:
        body = (folder / artifact["key"]).read_bytes()
        assert (hashlib.sha256(body).hexdigest(), len(body)) == (artifact["sha256"], artifact["sizeBytes"])
    assert (folder / "artifacts/labels.txt").read_text() == "a\nb\n"
    assert 0 < results["modelDetails"]["onnxMaxDifference"] < 1e-4


def test_run_file_holds_what_a_repetition_needs(folder: Path) -> None:
    """run.json has the data's hash, the whole configuration, the devices, and where the run was stopped."""
    document = json.loads((folder / "artifacts/run.json").read_text())
    assert document.pop("threads") >= 1
    run = {"datasetHash": "d" * 64, "config": CONFIG.to_json(), "devices": 2, "device": "cpu"}
    assert document == run | {"stoppedAfter": 3}


def test_report_of_a_faultless_model_has_no_page_of_mistakes(tmp_path: Path) -> None:
    """Where nothing was mistaken, and no epoch was finished, there is nothing to draw of it."""
    outcome = make_outcome()
    outcome = replace(outcome, fit=make_fit(), judgement=replace(outcome.judgement, misclassified=[]))
    formats = [each["format"] for each in stored(outcome, tmp_path)["artifacts"]]
    assert formats == [each for each in FORMATS if each not in ("curves", "mistakes")]
    assert json.loads((tmp_path / "artifacts/run.json").read_text())["stoppedAfter"] is None


def test_run_figures() -> None:
    """The speed is the median over the epochs of training, the head's left out."""
    outcome = make_outcome(fit=make_fit(0, 1, 2, 4), attempts=3, devices=2)
    run = make_results(outcome, size_bytes=1, onnx_difference=0.0).run
    assert run is not None
    assert (run.images_per_second, run.attempts, run.devices) == (200.0, 3, 2)
    assert (run.batch_size, run.cache_bytes, run.cache_place) == (8, 12, "memory")
    assert run.device
    assert 50e6 < run.peak_memory_bytes < 100e9


@pytest.mark.parametrize(
    ("ending", "code"),
    [(Ending.STOPPED, "stopped"), (Ending.EARLY, "ended-early"), (Ending.RUNTIME, "max-runtime")],
)
def test_an_early_end_is_warned_of(ending: Ending, code: str) -> None:
    """A run that ended before its time says so beside what was found about the data."""
    outcome = make_outcome(fit=make_fit(ending=ending))
    results = make_results(outcome, size_bytes=1, onnx_difference=0.0)
    assert {"small-classes", code} <= {each.code for each in results.warnings}
    assert "3 epochs" in next(each.message for each in results.warnings if each.code == code)


@pytest.mark.parametrize(
    ("difference", "shown", "warned"), [(1e-3, 1e-3, False), (1.1e-3, 1.1e-3, True), (inf, None, True)]
)
def test_an_onnx_model_that_differs_is_warned_of(
    difference: float, shown: float | None, warned: bool
) -> None:
    """Past the tolerance there is a warning; what isn't finite is no number of JSON's, and is left out."""
    results = make_results(make_outcome(), size_bytes=1, onnx_difference=difference)
    assert ("onnx-differs" in {each.code for each in results.warnings}) is warned
    assert results.model_details.onnx_max_difference == shown


def test_classes_that_are_never_predicted_are_named() -> None:
    """An empty column is a class that is never predicted; the background's says nothing."""
    outcome = make_outcome()
    matrix = ConfusionMatrix(classes=["a", "b", BACKGROUND], matrix=[[3, 0, 0], [2, 0, 0], [0, 0, 0]])
    outcome = replace(outcome, judgement=replace(outcome.judgement, confusion_matrix=matrix))
    warnings = make_results(outcome, size_bytes=1, onnx_difference=0.0).warnings
    assert [each.examples for each in warnings if each.code == "never-predicted"] == [["b"]]
