"""fastai: its data block and its Learner around torchvision's model; pretrained, its fine_tune."""

from typing import Any

import torch
from fastai.vision.all import (
    Callback,
    CrossEntropyLossFlat,
    Flip,
    ImageDataLoaders,
    Learner,
    Normalize,
    RandomResizedCrop,
    accuracy,
    create_vision_model,
    default_split,
    imagenet_stats,
)
from torchvision import models  # type: ignore[import-untyped]

from bench.training.protocol import Case, say_epoch, say_saved

from .models import make_model

#: Where the classifier begins, among a model's children.
_CUTS = {"mobilenet_v2": -1}


class SayEpoch(Callback):
    order = 60  # after the Recorder, which has the figures

    def before_fit(self) -> None:
        self.total = getattr(self, "total", 0)

    def after_epoch(self) -> None:
        self.total += 1
        say_epoch(self.total, self.recorder.log[-2])


def _data_loaders(case: Case) -> Any:
    return ImageDataLoaders.from_folder(
        case.data,
        valid="val",
        item_tfms=RandomResizedCrop(case.size),
        batch_tfms=[Flip(), Normalize.from_stats(*imagenet_stats)],
        bs=case.batch,
        num_workers=case.workers,
        device=torch.device(case.device),
    )


def _from_scratch(case: Case, dls: Any) -> Any:
    model = make_model(case, len(dls.vocab))
    return Learner(dls, model, CrossEntropyLossFlat(), metrics=accuracy, path=case.out)


def _pretrained(case: Case, dls: Any) -> Any:
    """As its vision_learner does, which passes no `cut` on, and finds none in a model without pooling."""
    arch = getattr(models, case.model)
    model = create_vision_model(arch, len(dls.vocab), weights="IMAGENET1K_V1", cut=_CUTS.get(case.model))
    learn = Learner(dls, model, splitter=default_split, metrics=accuracy, path=case.out)
    learn.freeze()
    return learn


def main() -> None:
    case = Case.from_argument()
    torch.set_num_threads(1)
    dls = _data_loaders(case)
    learn = _pretrained(case, dls) if case.pretrained else _from_scratch(case, dls)
    learn.add_cb(SayEpoch())
    if case.pretrained:
        learn.fine_tune(case.epochs)
    else:
        learn.fit_one_cycle(case.epochs, 3e-3)
    learn.save("model")
    say_saved()


if __name__ == "__main__":
    main()
