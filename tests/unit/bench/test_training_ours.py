"""Our own side of the benchmark, and one peer's, on a few images."""

import json
import sys
from pathlib import Path

import pytest
import torch

from bench.training import ours
from bench.training.ceiling import Ceiling, flops_per_image
from bench.training.pictures import Pictures, make
from bench.training.protocol import Case, Mark
from bench.training.sides import Side
from training_job.model import build_model

FEW = Pictures(train=20, val=10, height=32, width=32)
LIMIT_SECONDS = 200


@pytest.fixture
def case(tmp_path) -> Case:
    return Case(
        data=str(make(FEW, tmp_path)),
        out=str(tmp_path),
        model="mobilenet_v3_small",
        size=32,
        batch=10,
        epochs=2,
    )


def test_our_side_is_a_whole_run(case, monkeypatch, capsys):
    """Ours trains every epoch and leaves what the container leaves: results of a real run, with a model."""
    monkeypatch.setattr(sys, "argv", ["ours", case.to_argument()])
    threads = torch.get_num_threads()
    try:
        ours.main()
    finally:
        torch.set_num_threads(threads)
    *epochs, saved = filter(None, map(Mark.parse, capsys.readouterr().out.splitlines()))
    assert [each.epoch for each in epochs] == [1, 2]
    assert saved.epoch is None
    results = json.loads((Path(case.out) / "results.json").read_bytes())
    assert results["accuracy"] == max(each.accuracy for each in epochs)
    assert results["modelDetails"]["trainImages"] == 20
    assert (Path(case.out) / "artifacts" / "model.safetensors").stat().st_size > 1e6


def test_torchvisions_recipe_is_a_whole_run(case):
    """The peer that needs no package of its own trains every epoch and leaves weights that load."""
    run = Side("peer", (sys.executable, "-m", "bench.peers.torchvision_recipe")).run(case, LIMIT_SECONDS)
    assert [each.epoch for each in run.epochs] == [1, 2]
    assert "classifier.3.weight" in torch.load(Path(case.out) / "peer" / "model.pth", weights_only=True)


def test_a_training_step_costs_three_passes():
    """Backward takes twice what forward does, less the first layer's; ResNet-18 at 224 px has 1.8 GMAC."""
    model = build_model("resnet18", 2, seed=0).to("meta")
    flops = flops_per_image(model, torch.zeros(2, 3, 224, 224, device="meta"))
    assert flops == pytest.approx(3 * 2 * 1.82e9, rel=0.05)


def test_a_ceiling_gives_fractions():
    """Half of the synthetic speed is 0.5; the utilisation is of the peak, and unknown without one."""
    ceiling = Ceiling(images_per_second=200, flops_per_image=1e9)
    assert ceiling.to_json(100, peak_tflops=1) == {
        "synthetic_images_per_second": 200,
        "fraction_of_synthetic": 0.5,
        "tflops": 0.1,
        "flop_utilisation": 0.1,
    }
    assert ceiling.to_json(100, peak_tflops=None)["flop_utilisation"] is None
