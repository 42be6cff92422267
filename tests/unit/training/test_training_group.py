"""Two processes that train one model come to what one does."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import Tiny, make_config, make_work
from torch import distributed

from training_job.checkpoint import NullCheckpoints, State, decode, encode
from training_job.engine import fit
from training_job.figures import NullSink
from training_job.group import Group

#: 19 images in batches of 5, 5, 5 and 4, and 8 to validate on: no part is as large as the other.
IMAGES = 19
PLAIN = {"batch_size": 5, "epochs": 2, "learning_rate": 1e-2, "checkpoint_minutes": 1e-9}
SCENARIOS: dict[str, dict[str, Any]] = {
    "plain": {},
    "mixed": {"mixup": 0.4, "cutmix": 0.4, "label_smoothing": 0.1, "augmentation": "light"},
    "weighted": {"class_weights": "balanced", "balanced_sampling": True, "optimizer": "sgd"},
    "averaged": {"ema_decay": 0.9},
    "fewer images than processes": {"batch_size": 2},
}


class Kept(NullCheckpoints):
    """Checkpoints in memory; goes on from `state`."""

    def __init__(self, state: bytes | None = None) -> None:
        self.state = state
        self.saved: dict[tuple[int, int], bytes] = {}

    def load(self) -> State | None:
        return decode(self.state) if self.state else None

    def save(self, state: State, *, epoch: int, step: int, wait: bool = False) -> None:
        self.saved[epoch, step] = encode(state).read()


def train(group: Group, checkpoint: bytes | None = None, **parameters: Any) -> dict[str, Any]:
    """What a run comes to: figures, weights, and what it has kept."""
    config = make_config(**(PLAIN | parameters))
    model, checkpoints = Tiny(), Kept(checkpoint)
    task, source = make_work(config, IMAGES, group)
    fitted = fit(model, task, source, config, NullSink(), group=group, checkpoints=checkpoints)
    figures = [
        {name: value for name, value in asdict(each).items() if "second" not in name}
        for each in fitted.history
    ]
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    return {"figures": figures, "weights": weights, "saved": checkpoints.saved, "best": fitted.best_epoch}


def _in_a_group(rank: int, file: str) -> dict[str, Any]:
    """All that is done in one of two processes."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    group = Group(rank=rank, size=2, local_rank=rank, local_size=2)
    found: dict[str, Any] = {name: train(group, **each) for name, each in SCENARIOS.items()}
    found["gathered"] = group.gather(torch.arange(3 * rank + 1)).tolist()
    found["shared"] = group.share("the writer's" if group.writes else None)
    found["any"] = [group.any(rank == 1), group.any(False)]
    found["sum"] = group.sum(torch.tensor([rank + 1.0])).item()
    distributed.destroy_process_group()
    return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    file: Path = tmp_path_factory.mktemp("group") / "rendezvous"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_in_a_group, rank, str(file)) for rank in range(2)]
        return [future.result(timeout=90) for future in futures]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_two_processes_have_the_loss_curve_of_one(pair, scenario):
    """The same global batches give the same losses and weights, however they are divided."""
    alone = train(Group.alone(), **SCENARIOS[scenario])
    for found in pair:
        for ours, theirs in zip(found[scenario]["figures"], alone["figures"], strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-5)
        for name, weights in alone["weights"].items():
            assert found[scenario]["weights"][name] == pytest.approx(weights, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_both_processes_decide_alike(pair, scenario):
    """Both have the same figures and keep the same epoch, to the last bit: they never part."""
    first, second = (found[scenario] for found in pair)
    assert (first["figures"], first["best"]) == (second["figures"], second["best"])


def test_one_process_writes(pair):
    """The first process keeps a checkpoint within an epoch and after each, and the other none."""
    first, second = (found["plain"]["saved"].keys() for found in pair)
    assert first >= {(1, 1), (2, 0), (3, 0)}
    assert not second


def test_one_process_goes_on_from_a_checkpoint_of_two(pair):
    """A run that two processes began ends alone with the figures of one that had both all along."""
    whole = pair[0]["plain"]
    gone_on = train(Group.alone(), whole["saved"][2, 0])
    assert gone_on["figures"][0] == whole["figures"][0]
    assert gone_on["figures"][1] == pytest.approx(whole["figures"][1], rel=1e-4, abs=1e-5)


def test_what_processes_tell_each_other(pair):
    """Rows come in order of rank and in any number; a flag of one is everybody's; the writer's value too."""
    for found in pair:
        assert found["gathered"] == [0, 0, 1, 2, 3]
        assert (found["shared"], found["any"], found["sum"]) == ("the writer's", [True, False], 3.0)


def test_alone_everything_is_its_own():
    """With one process nothing waits and nothing changes."""
    group = Group.join({})
    rows = torch.arange(3)
    assert (group.rows(5), group.gather(rows) is rows, group.share(1), group.any(True)) == (
        slice(0, 5), True, 1, True,
    )  # fmt: skip
    assert (group.ended(), group.ended("so")) == (None, "so")


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_parts_are_the_whole(count):
    """The parts of all processes are all rows, once each and in order, and of a machine's the same."""
    groups = [Group(rank=rank, size=4, local_rank=rank % 2, local_size=2) for rank in range(4)]
    assert [row for each in groups for row in range(count)[each.rows(count)]] == list(range(count))
    assert [row for each in groups[:2] for row in range(count)[each.local_rows(count)]] == list(range(count))
