"""The model card: README.md beside the model, for whoever finds the files without the run."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from chalicelib.contract.config import task_of
from chalicelib.contract.results import ConfusionMatrix, Results

from .config import given
from .outcome import Outcome

#: A confusion matrix of more classes is only drawn, and in results.json.
_MAX_COLUMNS = 20

_PICTURE = """\
import numpy as np
from PIL import Image, ImageOps

picture = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")
picture = picture.resize(({side}, {side}), Image.Resampling.BILINEAR)
images = np.asarray(picture, np.float32).transpose(2, 0, 1)[None] / 255
"""
_ONNX = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
[logits] = session.run(None, {"images": images})
names = open("labels.txt", encoding="utf-8").read().splitlines()
print(names[logits[0].argmax()])
"""
_ONNX_DETECTOR = """\
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx")
for output, value in zip(session.get_outputs(), session.run(None, {"images": images})):
    print(output.name, value.shape)
"""
_SAFETENSORS = """\
import json
import torch
from safetensors.torch import load_file
from torchvision.models import get_model

about = json.load(open("model.json", encoding="utf-8"))
weights = load_file("model.safetensors")
mean, std = weights.pop("mean"), weights.pop("std")
model = get_model(about["architecture"], num_classes=len(about["classes"]), **about["builder"]).eval()
model.load_state_dict({name.removeprefix("backbone."): value for name, value in weights.items()})
with torch.inference_mode():
    probabilities = model((torch.from_numpy(images) - mean) / std).softmax(1)
print(about["classes"][probabilities[0].argmax()])
"""
_REPRODUCE = """\
With Darkroom's repository, the packages of environment.json, the manifest of the data set (the API signs
a URL for it with the dataset version) and a folder of its images, named by image id or as uploaded:

```sh
python -m training_job.repeat --run run.json --manifest manifest.jsonl.gz --images FOLDER --output AGAIN
```

On a CPU of the same kind it ends with the same weights to the last bit; on a GPU nearly so."""


def model_card(outcome: Outcome, results: Results) -> str:
    """Markdown: what it is, what it was made of, how well it does, its limits, and how to use it."""
    sections = {
        f"{results.model_details.architecture} of {len(results.model_details.classes)} classes": _about(
            results
        ),
        "Data": _data(outcome, results),
        "Figures on the validation split": _figures(results),
        "Limits and warnings": _limits(results),
        "Configuration": _configuration(outcome),
        "Use": _use(outcome),
        "Reproduce": _REPRODUCE,
        "Files": _table(
            ("file", "bytes", "SHA-256"),
            ((each.key.rsplit("/", 1)[1], each.size_bytes, f"`{each.sha256}`") for each in results.artifacts),
        ),
    }
    (title, first), *others = sections.items()
    return "\n\n".join([f"# {title}", first, *(f"## {name}\n\n{text}" for name, text in others)]) + "\n"


def _about(results: Results) -> str:
    details = results.model_details
    begun = "ImageNet weights" if details.pretrained else "random weights"
    return (
        f"Trained by Darkroom with {details.framework}, from {begun}: {details.parameters:,} parameters, "
        f"input {' x '.join(map(str, details.input_size))} (RGB, 0 to 1, stretched to the square; the "
        f"normalisation is inside). {details.epochs_trained} epochs; these are the weights of epoch "
        f"{details.best_epoch}."
    )


def _data(outcome: Outcome, results: Results) -> str:
    split = outcome.setup.split
    counts = {name: len(getattr(split, name)) for name in ("train", "val", "test")}
    return f"Data set `{results.model_details.dataset_hash}` (SHA-256 of its manifest).\n\n" + _table(
        ("split", "images"), counts.items()
    )


def _figures(results: Results) -> str:
    figures = [("loss", results.loss)]
    if results.detection:
        figures += [("mAP@0.5", results.detection.map50), ("mAP@[.5:.95]", results.detection.map)]
    else:
        figures.append(("accuracy", results.accuracy))
    if results.test:
        figures += [("test loss", results.test.loss), ("test accuracy", results.test.accuracy)]
    parts = [_table(("figure", "value"), figures), _classes(results), _matrix(results.confusion_matrix)]
    pictures = (each.key.rsplit("/", 1)[1] for each in results.artifacts if each.key.endswith(".png"))
    return "\n\n".join([*parts, *(f"![{name}]({name})" for name in pictures)])


def _classes(results: Results) -> str:
    names = ["class", "precision", "recall", "f1", "support"]
    rows: list[list[Any]] = [
        [each.class_, each.precision, each.recall, each.f1, each.support] for each in results.per_class
    ]
    if results.detection:
        names += ["AP@0.5", "AP@[.5:.95]"]
        for row, each in zip(rows, results.per_class, strict=True):
            row += [each.average_precision50, each.average_precision]
    return _table(names, rows)


def _matrix(confusion: ConfusionMatrix) -> str:
    if len(confusion.classes) > _MAX_COLUMNS:
        return f"The confusion matrix of {len(confusion.classes)} classes:"
    rows = ([name, *counts] for name, counts in zip(confusion.classes, confusion.matrix, strict=True))
    return _table(["true \\ predicted", *confusion.classes], rows)


def _limits(results: Results) -> str:
    difference = results.model_details.onnx_max_difference
    lines = [
        f"- It knows these {len(results.model_details.classes)} classes alone, and names one of them for "
        "any picture." if results.detection is None else "- It finds objects of its own classes alone.",
        "- The validation split chose the epoch, so its figures are a little too good; those of a test "
        "split, where there is one, are not.",
        *(
            [f"- The ONNX model's outputs differ from torch's by at most {difference:.2g}."]
            if difference is not None
            else []  # a warning says so
        ),
        *(
            f"- {each.message}" + (f" For example: {', '.join(each.examples)}." if each.examples else "")
            for each in results.warnings
        ),
    ]  # fmt: skip
    return "\n".join(lines)


def _configuration(outcome: Outcome) -> str:
    return _table(("parameter", "value"), outcome.config.to_json().items())


def _use(outcome: Outcome) -> str:
    picture = _PICTURE.format(side=given(outcome.config.image_size))
    if task_of(given(outcome.config.architecture)) == "detection":
        return f"model.json says what the outputs are.\n\n{_code(picture, _ONNX_DETECTOR)}"
    return (
        f"With onnxruntime:\n\n{_code(picture, _ONNX)}\n\n"
        f"With torchvision, after the same first lines:\n\n{_code(_SAFETENSORS)}"
    )


def _code(*parts: str) -> str:
    return "```python\n" + "\n".join(parts) + "```"


def _table(names: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = (
        f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
    )
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
