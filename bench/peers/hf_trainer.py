"""Hugging Face's Trainer around torchvision's model, with the transforms of its own example."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainerCallback, TrainingArguments

from bench.training.protocol import Case, say_epoch, say_saved

from .models import make_model
from .torchvision_recipe import make_dataset


class WithLoss(nn.Module):
    """What the Trainer wants of a model: a loss beside the logits."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: Tensor, labels: Tensor) -> dict[str, Tensor]:
        logits = self.model(pixel_values)
        return {"loss": cross_entropy(logits, labels), "logits": logits}


class SayEpoch(TrainerCallback):
    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        del args, control
        say_epoch(round(state.epoch), metrics["eval_accuracy"])


def _collate(examples: list[tuple[Tensor, int]]) -> dict[str, Tensor]:
    images, labels = zip(*examples, strict=True)
    return {"pixel_values": torch.stack(images), "labels": torch.tensor(labels)}


def _accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(1) == prediction.label_ids).mean())}


def main() -> None:
    case = Case.from_argument()
    torch.set_num_threads(1)
    train_set, val_set = make_dataset(case, "train"), make_dataset(case, "val")
    trainer = Trainer(
        model=WithLoss(make_model(case, len(train_set.classes))),
        args=TrainingArguments(
            output_dir=case.out,
            per_device_train_batch_size=case.batch,
            per_device_eval_batch_size=case.batch,
            num_train_epochs=case.epochs,
            learning_rate=1e-3,
            dataloader_num_workers=case.workers,
            eval_strategy="epoch",
            save_strategy="no",
            logging_strategy="epoch",
            remove_unused_columns=False,
            report_to="none",
            disable_tqdm=True,
            use_cpu=case.device == "cpu",
        ),
        train_dataset=train_set,
        eval_dataset=val_set,
        data_collator=_collate,
        compute_metrics=_accuracy,
        callbacks=[SayEpoch()],
    )
    trainer.train()
    trainer.save_model(str(Path(case.out) / "model"))
    say_saved()


if __name__ == "__main__":
    main()
