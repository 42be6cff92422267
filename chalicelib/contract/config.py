"""The training configuration: every parameter, its bounds and its default, in this one place.

The API's model is generated from it (chalicelib/schemas/configuration.py), and the container
reads the same class back from its session.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, get_args, get_origin

from .naming import camel
from .records import TaskType

#: Torchvision's names; `ssdlite_mobilenet_v2` alone is a detector of ours, on its backbone.
Classifier = Literal[
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "resnet18",
    "resnet34",
    "resnet50",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "convnext_tiny",
    "swin_t",
    "vit_b_16",
]
Detector = Literal[
    "ssdlite_mobilenet_v2",
    "ssdlite320_mobilenet_v3_large",
    "fasterrcnn_mobilenet_v3_large_320_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "retinanet_resnet50_fpn_v2",
]
Architecture = Literal[Classifier, Detector]


class ParameterError(ValueError):
    """A value that can't be used. The message says why, beginning with the parameter's JSON name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{camel(name)} {reason}")
        self.parameter = camel(name)


#: Parameters that mean nothing for a detector, and values of `augmentation` likewise.
CLASSIFIERS_ALONE = ("label_smoothing", "mixup", "cutmix", "class_weights", "balanced_sampling")
CLASSIFIERS_AUGMENTATIONS = ("trivialaugment", "randaugment")


def task_of(architecture: str) -> TaskType:
    """What an architecture is for."""
    return "detection" if architecture in get_args(Detector) else "classification"


#: In the place of "more than 0": DynamoDB holds no number below 1e-130, and would have kept that for 0.
SMALLEST = 1e-12


def _parameter(default: Any, doc: str, **bounds: float) -> Any:
    """A field with its meaning and its bounds: `ge`, `gt`, `le`, `lt`."""
    return field(default=default, metadata={"doc": doc, "bounds": bounds})


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingConfig:
    """How to train. A `None` is filled in by `resolved` with what trains well for the rest.

    Raises:
        ParameterError: a value is out of its bounds, or doesn't go with another.
    """

    learning_rate: float | None = _parameter(
        None, "Peak learning rate of the head; by default what suits the optimizer.", ge=SMALLEST, le=10
    )
    epochs: int | None = _parameter(None, "Passes over the training split.", ge=1, le=1000)
    batch_size: int | None = _parameter(
        None, "Images a step, over all devices; batch normalisation needs two.", ge=2, le=1024
    )
    architecture: Architecture | None = _parameter(
        None, "A model of torchvision that fits the project's task; by default a mobilenet_v2."
    )
    pretrained: bool = _parameter(True, "Start from ImageNet weights; fails where the image has none.")
    image_size: int | None = _parameter(
        None, "Side of the square the images are fitted to, in pixels; by default 224 or 320.", ge=32, le=1024
    )
    optimizer: Literal["adamw", "sgd"] = _parameter("adamw", "SGD is with Nesterov momentum.")
    weight_decay: float | None = _parameter(
        None, "Decay of the weights; biases and norms have none.", ge=0, le=1
    )
    momentum: float = _parameter(0.9, "Momentum of SGD.", ge=0, lt=1)
    backbone_rate: float | None = _parameter(
        None,
        "Learning rate of the backbone as a share of the head's; by default less than 1 if pretrained.",
        ge=0,
        le=1,
    )
    scheduler: Literal["onecycle", "cosine", "constant"] = _parameter(
        "onecycle", "Course of the learning rate after the warm-up."
    )
    warmup_epochs: float | None = _parameter(
        None,
        "Epochs in which the learning rate rises; by default a quarter of them, a tenth for detection.",
        ge=0,
        le=100,
    )
    label_smoothing: float = _parameter(0.0, "Share of the target spread over all classes.", ge=0, lt=1)
    augmentation: Literal["none", "light", "strong", "trivialaugment", "randaugment"] = _parameter(
        "light",
        "none; light: crop and flip; the others besides these: colour and erasing, or one (TrivialAugment) "
        "or two (RandAugment) random operations an image.",
    )
    horizontal_flip: bool = _parameter(True, "Whether a mirror image shows the same class: false for text.")
    mixup: float = _parameter(0.0, "Alpha of mixup; 0 is off.", ge=0, le=2)
    cutmix: float = _parameter(
        0.0, "Alpha of cutmix; 0 is off. With mixup each batch gets one of the two.", ge=0, le=2
    )
    validation_split: float = _parameter(
        0.2,
        "Share of each class, among images without a split, that is kept for validation if none has `val`.",
        ge=SMALLEST,
        le=0.5,
    )
    seed: int = _parameter(
        0, "Seed of the split, the order, the augmentation and the weights.", ge=0, lt=2**32
    )
    early_stopping_patience: int = _parameter(
        0, "Epochs without a better validation accuracy after which training ends; 0 is never.", ge=0, le=1000
    )
    ema_decay: float | None = _parameter(
        None,
        "A moving average of the weights is evaluated and kept: its decay a step; 0 is off. By default 0.9 "
        "for a pretrained classifier, and off for others.",
        ge=0,
        lt=1,
    )
    freeze_backbone: bool = _parameter(False, "Train the head alone.")
    class_weights: Literal["none", "balanced"] = _parameter(
        "none", "balanced: a class counts by the inverse of its share."
    )
    balanced_sampling: bool = _parameter(False, "Draw the classes equally often, rare ones repeatedly.")
    mixed_precision: bool = _parameter(True, "bfloat16 or float16 autocast where the device has it.")
    compile: Literal["auto", "never"] = _parameter(
        "auto",
        "auto: torch.compile on a GPU, where the run is long enough to win back what it takes, and a C "
        "compiler is there: not in Darkroom's own image.",
    )
    auto_batch_size: bool = _parameter(
        True, "Out of memory, the run is tried once more with half the batch size."
    )
    cache_gigabytes: float = _parameter(
        4.0,
        "Decoded images up to this lie in memory; more than that all lie, memory-mapped, on the local disk.",
        ge=0,
        le=1000,
    )
    nodes: int = _parameter(
        1, "Machines to train on together, all of their GPUs; more than one are no Spot ones.", ge=1, le=16
    )
    checkpoint_minutes: float = _parameter(
        5.0,
        "Between two checkpoints at most; an epoch of ten seconds or more ends with one.",
        ge=SMALLEST,
        le=1440,
    )
    max_runtime_minutes: int = _parameter(
        480, "After this, training ends with the best weights so far.", ge=1, le=10080
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name), each.type, each.metadata["bounds"])
        if self.architecture == "vit_b_16" and (self.image_size or 0) % 16:
            reason = f"is a multiple of 16, the side of vit_b_16's patches, not {self.image_size}"
            raise ParameterError("image_size", reason)

    def resolved(self, task_type: TaskType = "classification") -> Self:
        """With every `None` replaced by the default that suits the other parameters.

        Args:
            task_type: of the project; an architecture that is given decides by itself.
        """
        architecture = self.architecture or _DEFAULT_ARCHITECTURE[task_type]
        defaults = _defaults(task_of(architecture), self.pretrained)
        if self.optimizer == "sgd":
            defaults |= _SGD[self.pretrained]
        defaults["architecture"] = architecture
        warmup = (self.epochs or defaults["epochs"]) * _WARMUP[task_of(architecture)]
        defaults["warmup_epochs"] = min(warmup, 100)
        return replace(
            self, **{name: value for name, value in defaults.items() if getattr(self, name) is None}
        )

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


_DEFAULT_ARCHITECTURE: dict[TaskType, Architecture] = {
    "classification": "mobilenet_v2",
    "detection": "ssdlite_mobilenet_v2",
}
_WARMUP: dict[TaskType, float] = {"classification": 1 / 4, "detection": 1 / 10}
_SGD: dict[bool, dict[str, Any]] = {
    True: {"learning_rate": 5e-3, "weight_decay": 1e-4, "backbone_rate": 0.2},
    False: {"learning_rate": 5e-2, "weight_decay": 1e-4},
}


def _defaults(task_type: TaskType, pretrained: bool) -> dict[str, Any]:
    """What trains well with AdamW."""
    if task_type == "detection":
        shared = {
            "learning_rate": 1e-3,
            "weight_decay": 0.01,
            "batch_size": 8,
            "image_size": 320,
            "ema_decay": 0.0,
        }
        return shared | (
            {"epochs": 20, "backbone_rate": 0.3} if pretrained else {"epochs": 60, "backbone_rate": 1.0}
        )
    if pretrained:
        own = {
            "learning_rate": 1e-3,
            "weight_decay": 0.02,
            "batch_size": 32,
            "epochs": 12,
            "backbone_rate": 0.5,
            "ema_decay": 0.9,
        }
    else:
        own = {
            "learning_rate": 2e-3,
            "weight_decay": 0.05,
            "batch_size": 64,
            "epochs": 30,
            "backbone_rate": 1.0,
            "ema_decay": 0.0,
        }
    return own | {"image_size": 224}


def _check(name: str, value: Any, kind: Any, bounds: Mapping[str, float]) -> None:
    if value is None:
        return
    literal = next((each for each in (kind, *get_args(kind)) if get_origin(each) is Literal), None)
    if literal and value not in get_args(literal):
        raise ParameterError(name, f"is one of {', '.join(get_args(literal))}, not {value!r}")
    tests = {"ge": "__ge__", "gt": "__gt__", "le": "__le__", "lt": "__lt__"}
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    for bound, limit in bounds.items():
        if not getattr(float(value), tests[bound])(float(limit)):
            raise ParameterError(name, f"is {words[bound]} {limit:g}, not {value!r}")
