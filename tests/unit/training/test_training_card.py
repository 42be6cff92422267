import re
import subprocess
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import torch
from finished import make_outcome, stored
from PIL import Image

from chalicelib.contract.results import ConfusionMatrix, DetectionFigures, HeldOut
from training_job.card import model_card
from training_job.detection.build import build_detector
from training_job.outcome import Outcome, make_results


def card_of(outcome: Outcome) -> str:
    return model_card(outcome, make_results(outcome, size_bytes=1, onnx_difference=2e-6))


def test_card_says_what_the_model_is() -> None:
    """Data hash, counts, figures, warnings, configuration and limits stand in it, to be read by a person."""
    outcome = make_outcome(test=HeldOut(images=3, accuracy=0.25, loss=0.75))
    text = card_of(outcome)
    assert text.startswith("# mobilenet_v3_small of 2 classes\n")
    figures = outcome.judgement.per_class[0]
    for line in (
        "d" * 64,
        "| val | 8 |",
        f"| accuracy | {outcome.judgement.scores.accuracy:.4g} |",
        "| test accuracy | 0.25 |",
        f"| a | {figures.precision:.4g} | {figures.recall:.4g} | {figures.f1:.4g} | 4 |",
        "| true \\\\ predicted | a | b |",
        "- Few images. For example: a.",
        "| learningRate | 0.002 |",
        "| pretrained | false |",
        "at most 2e-06",
    ):
        assert line in text


def test_card_of_a_model_whose_onnx_outputs_cannot_be_compared() -> None:
    """It doesn't say that they differ by nothing: the warning stands alone."""
    outcome = make_outcome()
    text = model_card(outcome, make_results(outcome, size_bytes=1, onnx_difference=inf))
    assert "at most" not in text
    assert "The ONNX model's outputs" in text


def test_card_of_a_detector() -> None:
    """It has the precisions in place of the accuracy, and no code that would take boxes for logits."""
    outcome = make_outcome()
    judgement = replace(outcome.judgement, detection=DetectionFigures(map50=0.5, map=0.25))
    judgement.per_class[0] = replace(judgement.per_class[0], average_precision=0.125)
    config = replace(outcome.config, architecture="ssdlite_mobilenet_v2")
    text = card_of(replace(outcome, config=config, judgement=judgement))
    assert "| mAP@0.5 | 0.5 |\n| mAP@[.5:.95] | 0.25 |" in text
    assert "0.125 |" in text
    assert "| accuracy |" not in text
    assert "softmax" not in text


def test_card_of_many_classes_leaves_the_matrix_to_the_picture() -> None:
    """A table of more than twenty columns is read by nobody."""
    outcome = make_outcome()
    matrix = ConfusionMatrix(classes=[str(n) for n in range(21)], matrix=[[0] * 21] * 21)
    text = card_of(replace(outcome, judgement=replace(outcome.judgement, confusion_matrix=matrix)))
    assert "The confusion matrix of 21 classes:" in text
    assert "true \\\\ predicted" not in text


def test_code_of_the_card_runs(tmp_path: Path) -> None:
    """Beside the files, and without Darkroom, what the card says gives the class that the model gives."""
    outcome = make_outcome()
    stored(outcome, tmp_path)
    folder = tmp_path / "artifacts"
    output = _run_code(folder)
    picture = torch.frombuffer(_pixels(folder / "photo.jpg"), dtype=torch.uint8).view(1, 32, 32, 3)
    with torch.inference_mode():
        index = int(outcome.setup.model(picture.permute(0, 3, 1, 2).float() / 255).argmax())
    assert output.split() == 2 * ["ab"[index]]
    assert "![curves.png](curves.png)" in (folder / "README.md").read_text()


def test_code_of_a_detectors_card_runs(tmp_path: Path) -> None:
    """It gives as many boxes as scores, and a score for each class."""
    outcome = make_outcome()
    config = replace(outcome.config, architecture="ssdlite_mobilenet_v2", image_size=64)
    model = build_detector("ssdlite_mobilenet_v2", 2, 64, seed=0)
    pictures = outcome.setup.val_images.repeat(1, 2, 2, 1)
    judgement = replace(outcome.judgement, detection=DetectionFigures(map50=0.5, map=0.25))
    setup = replace(outcome.setup, model=model, val_images=pictures)
    stored(replace(outcome, config=config, setup=setup, judgement=judgement), tmp_path)
    boxes, scores = _run_code(tmp_path / "artifacts").splitlines()
    count = re.fullmatch(r"boxes \(1, (\d+), 4\)", boxes)
    assert count is not None
    assert scores == f"scores (1, {count[1]}, 2)"


def _run_code(folder: Path) -> str:
    """What the card's code prints in its folder, of a photograph there, where Darkroom can't be imported."""
    _photo(folder / "photo.jpg")
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    code = "import sys; sys.modules['training_job'] = None\n" + "\n".join(blocks)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def _photo(path: Path) -> None:
    pixels = torch.randint(0, 256, (40, 60, 3), generator=torch.Generator().manual_seed(3)).to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(path)


def _pixels(path: Path) -> bytearray:
    with Image.open(path) as image:
        return bytearray(image.resize((32, 32), Image.Resampling.BILINEAR).tobytes())
