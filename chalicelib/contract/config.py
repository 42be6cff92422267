"""The training configuration: every parameter, its bounds and its default, in this one place.

The API's model is generated from it (chalicelib/schemas/configuration.py), and the container
reads the same class back from its session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args, get_origin

from .naming import camel

Architecture = Literal["mobilenet_v2", "mobilenet_v3_small", "resnet18"]


def _parameter(default: Any, doc: str, **bounds: float) -> Any:
    """A field with its meaning and its bounds: `ge`, `gt`, `le`, `lt`."""
    return field(default=default, metadata={"doc": doc, "bounds": bounds})


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How to train. A `None` is filled in by `resolved` with what trains well for the rest.

    Raises:
        ValueError: a value is out of its bounds; the message names the parameter.
    """

    learning_rate: float | None = _parameter(
        None, "Peak learning rate of the head; by default what suits the optimizer.", gt=0, le=10
    )
    epochs: int | None = _parameter(None, "Passes over the training split.", ge=1, le=1000)
    batch_size: int | None = _parameter(
        None, "Images a step, over all devices; batch normalisation needs two.", ge=2, le=1024
    )
    architecture: Architecture = _parameter("mobilenet_v2", "A torchvision backbone.")
    pretrained: bool = _parameter(True, "Start from ImageNet weights; fails where the image has none.")
    image_size: int = _parameter(
        224, "Side of the square the images are fitted to, in pixels.", ge=32, le=512
    )
    optimizer: Literal["adamw", "sgd"] = _parameter("adamw", "SGD is with Nesterov momentum.")
    weight_decay: float | None = _parameter(
        None, "Decay of the weights; biases and norms have none.", ge=0, le=1
    )
    momentum: float = _parameter(0.9, "Momentum of SGD.", ge=0, lt=1)
    scheduler: Literal["onecycle", "cosine", "constant"] = _parameter(
        "onecycle", "Course of the learning rate after the warm-up."
    )
    warmup_epochs: float | None = _parameter(
        None, "Epochs in which the learning rate rises; by default a quarter of them.", ge=0, le=100
    )
    label_smoothing: float = _parameter(0.0, "Share of the target spread over all classes.", ge=0, lt=1)
    augmentation: Literal["none", "light", "strong"] = _parameter(
        "light", "none; light: crop and flip; strong: colour and erasing as well."
    )
    horizontal_flip: bool = _parameter(True, "Whether a mirror image shows the same class: false for text.")
    mixup: float = _parameter(0.0, "Alpha of mixup; 0 is off.", ge=0, le=2)
    validation_split: float = _parameter(
        0.2,
        "Share of each class, among images without a split, that is kept for validation if none has `val`.",
        gt=0,
        le=0.5,
    )
    seed: int = _parameter(
        0, "Seed of the split, the order, the augmentation and the weights.", ge=0, lt=2**32
    )
    early_stopping_patience: int = _parameter(
        0, "Epochs without a better validation accuracy after which training ends; 0 is never.", ge=0, le=1000
    )
    freeze_backbone: bool = _parameter(False, "Train the head alone.")
    class_weights: Literal["none", "balanced"] = _parameter(
        "none", "balanced: a class counts by the inverse of its share."
    )
    mixed_precision: bool = _parameter(True, "bfloat16 or float16 autocast where the device has it.")
    max_runtime_minutes: int = _parameter(
        480, "After this, training ends with the best weights so far.", ge=1, le=10080
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name), each.type, each.metadata["bounds"])

    def resolved(self) -> Self:
        """With every `None` replaced by the default that suits the other parameters."""
        fine = self.pretrained
        rates = {"adamw": 2.5e-3 if fine else 2e-3, "sgd": 5e-3 if fine else 5e-2}
        epochs = self.epochs or (12 if fine else 30)
        own: dict[str, Any] = {
            "learning_rate": self.learning_rate or rates[self.optimizer],
            "epochs": epochs,
            "batch_size": self.batch_size or (32 if fine else 64),
            "weight_decay": (0.02 if fine else 0.05) if self.weight_decay is None else self.weight_decay,
            "warmup_epochs": min(epochs / 4, 100) if self.warmup_epochs is None else self.warmup_epochs,
        }
        if self.optimizer == "sgd" and self.weight_decay is None:
            own["weight_decay"] = 1e-4
        return replace(self, **own)

    def to_json(self) -> dict[str, Any]:
        return {camel(each.name): getattr(self, each.name) for each in fields(self)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            ValueError: an unknown parameter, or a value out of its bounds.
        """
        names = {camel(each.name): each.name for each in fields(cls)}
        unknown = document.keys() - names.keys()
        if unknown:
            raise ValueError(f"unknown parameters: {', '.join(sorted(unknown))}")
        return cls(**{names[key]: value for key, value in document.items()})


def _check(name: str, value: Any, kind: Any, bounds: Mapping[str, float]) -> None:
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{camel(name)} is one of {', '.join(get_args(kind))}, not {value!r}")
    if value is None:
        return
    tests = {"ge": "__ge__", "gt": "__gt__", "le": "__le__", "lt": "__lt__"}
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, limit in bounds.items():
        if not getattr(float(value), tests[bound])(float(limit)):
            raise ValueError(f"{camel(name)} is {words[bound]} {limit:g}, not {value!r}")
