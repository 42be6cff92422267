"""How fast a device could train if it never waited for data: the same steps on one batch that is there.

`python -m bench.training.ceiling CASE` measures it, in a process of its own as everyone's.
"""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.flop_counter import FlopCounterMode

from training_job.engine import fit
from training_job.figures import EpochFigures, NullSink
from training_job.loader import Batch
from training_job.model import Classifier, build_model
from training_job.task import Judgement, Progress, Scores, Step

from .ours import config_of
from .protocol import Case

_STEPS, _EPOCHS = 50, 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Ceiling:
    """Of a model on a device.

    Attributes:
        images_per_second: trained on, over an epoch with its evaluation, as `figures.Figures` has it.
        flops_per_image: of a training step.
    """

    images_per_second: float
    flops_per_image: float

    def to_json(self, images_per_second: float, peak_tflops: float | None) -> dict[str, float | None]:
        """Args:
        images_per_second: of training with data.
        peak_tflops: of the device, in 1e12 operations a second, at the precision that is trained in.
        """
        flops = images_per_second * self.flops_per_image
        return {
            "synthetic_images_per_second": self.images_per_second,
            "fraction_of_synthetic": images_per_second / self.images_per_second,
            "tflops": flops / 1e12,
            "flop_utilisation": flops / 1e12 / peak_tflops if peak_tflops else None,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthetic:
    """One batch, on the device from the start: a `task.Source`, and the `task.Task` that goes with it."""

    batch: Batch
    device: torch.device
    images: int
    eval_steps: int
    clip = None

    @classmethod
    def of(cls, case: Case) -> "Synthetic":
        """With as many batches to evaluate on, for those to train on, as the case's images have."""
        val, train = (len(list(Path(case.data).glob(f"{split}/*/*"))) for split in ("val", "train"))
        device, pixels = torch.device(case.device), torch.rand((case.batch, 3, case.size, case.size))
        labels = (torch.arange(case.batch) % 2).to(device)
        images = pixels.to(device, memory_format=torch.channels_last)
        return cls(
            batch=Batch(images, labels, labels, 1.0, case.batch),
            device=device,
            images=case.batch * _STEPS,
            eval_steps=round(_STEPS * val / train),
        )

    def __len__(self) -> int:
        return _STEPS

    def batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        del epoch
        return (self.batch for _ in range(start, _STEPS))

    def begin(self, model: nn.Module, on_batch: Progress) -> None:
        del model, on_batch

    def step(self, model: nn.Module, batch: Batch) -> Step:
        logits = model(batch.images)
        hits = (logits.argmax(1) == batch.labels).sum()
        return Step(cross_entropy(logits, batch.labels), hits, len(batch.labels), batch.total)

    @torch.inference_mode()
    def evaluate(self, model: nn.Module, on_batch: Progress) -> Scores:
        del on_batch
        model.eval()
        hits = sum(
            (model(self.batch.images).argmax(1) == self.batch.labels).sum() for _ in range(self.eval_steps)
        )
        return Scores(0.0, int(hits) / max(1, self.eval_steps * len(self.batch.labels)))

    def judge(self, model: nn.Module, on_batch: Progress) -> Judgement:
        raise NotImplementedError("no image to judge it by")

    def held_out(self, model: nn.Module, on_batch: Progress) -> None:
        del model, on_batch


class Fastest(NullSink):
    """The quickest epoch, with its evaluation: the first one warms up."""

    epoch_seconds = float("inf")

    def on_epoch(self, figures: EpochFigures) -> None:
        self.epoch_seconds = min(self.epoch_seconds, figures.epoch_seconds)


def flops_per_image(model: Classifier, images: torch.Tensor) -> float:
    """Of a training step: forward and backward; a multiplication with its addition is two."""
    with FlopCounterMode(display=False) as counter:
        model(images).sum().backward()
    return counter.get_total_flops() / len(images)


def main() -> None:
    case = Case.from_argument()
    torch.set_num_threads(case.workers)
    config, synthetic, sink = replace(config_of(case), epochs=_EPOCHS), Synthetic.of(case), Fastest()
    model = build_model(case.model, 2, seed=0).to(synthetic.device)
    flops = flops_per_image(model, synthetic.batch.images)
    fit(model, synthetic, synthetic, config, sink)
    speed = synthetic.images / sink.epoch_seconds
    print(json.dumps({"images_per_second": speed, "flops_per_image": flops}))


def ceiling(case: Case, python: str, root: Path) -> Ceiling:
    """Measures it in a process of its own."""
    command = [python, "-m", "bench.training.ceiling", case.to_argument()]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    return Ceiling(**json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
