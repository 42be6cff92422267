import hashlib
from pathlib import Path

import pytest
import torch

from chalicelib.contract.errors import TrainingError
from training_job.model import build_model
from training_job.weights import available, file_names, hash_matches, install, load_weights


def write_weights(folder: Path, stem: str = "net") -> Path:
    """A state dict under a name that carries its hash, as torchvision names its files."""
    folder.mkdir(exist_ok=True)
    path = folder / "new.pth"
    torch.save({"weight": torch.ones(2)}, path)
    return path.rename(folder / f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")


def test_torchvision_names_carry_hashes() -> None:
    """Torchvision's default comes first, and the file that the container installs is among the names."""
    assert file_names("mobilenet_v2")[0] == "mobilenet_v2-7ebf99e0.pth"
    assert "mobilenet_v2-b0353104.pth" in file_names("mobilenet_v2")
    assert file_names("resnet18") == ["resnet18-f37072fd.pth"]


def test_present_weights_are_loaded(tmp_path: Path) -> None:
    """The first of the named files that is there is read."""
    path = write_weights(tmp_path)
    assert load_weights("resnet18", tmp_path, ["absent-00000000.pth", path.name])["weight"].tolist() == [1, 1]


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    """Weights that aren't there end the run, naming those that are and the way out."""
    (tmp_path / "resnet18-f37072fd.pth").touch()
    assert available(tmp_path) == ["resnet18"]
    with pytest.raises(TrainingError, match=r"mobilenet_v2 .* only for resnet18.*pretrained=false") as caught:
        load_weights("mobilenet_v2", tmp_path)
    assert caught.value.code == "weights-missing"


def test_damaged_weights_are_not_read(tmp_path: Path) -> None:
    """A file whose hash isn't the one in its name is refused before it is unpickled."""
    path = write_weights(tmp_path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(TrainingError, match="damaged") as caught:
        load_weights("resnet18", tmp_path, [path.name])
    assert caught.value.code == "weights-corrupt"


def test_name_without_a_hash_never_matches(tmp_path: Path) -> None:
    """A file whose name carries no hash can't be trusted."""
    (tmp_path / "weights.pth").write_bytes(b"")
    assert not hash_matches(tmp_path / "weights.pth")


def test_only_torchvisions_files_are_installed(tmp_path: Path) -> None:
    """Neither a file of another name nor a damaged one under a right name is installed."""
    other = write_weights(tmp_path / "from")
    damaged = tmp_path / "from" / "resnet18-f37072fd.pth"
    damaged.write_bytes(b"no weights")
    assert install([other, damaged], tmp_path / "to") == []
    assert list((tmp_path / "to").iterdir()) == []


def test_installing_twice_copies_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing is idempotent, and replaces a file that got damaged."""
    path = write_weights(tmp_path / "from")
    monkeypatch.setattr("training_job.weights.file_names", lambda _: [path.name])
    assert install([path], tmp_path / "to") == [path.name]
    assert install([path], tmp_path / "to") == []
    (tmp_path / "to" / path.name).write_bytes(b"damaged")
    assert install([path], tmp_path / "to") == [path.name]
    assert hash_matches(tmp_path / "to" / path.name)


def test_pretrained_body_with_a_new_head() -> None:
    """All but the head comes from the given weights."""
    source = build_model("resnet18", 5, seed=1)
    model = build_model("resnet18", 2, seed=2, pretrained=source.backbone.state_dict())
    assert torch.equal(model.backbone.conv1.weight, source.backbone.conv1.weight)  # type: ignore[arg-type, union-attr]
    assert model.head.weight.shape == (2, 512)


def test_weights_of_another_architecture_are_refused() -> None:
    """Weights that don't fit are refused, never loaded in part."""
    with pytest.raises(TrainingError, match="don't fit") as caught:
        build_model("resnet18", 2, seed=0, pretrained={"conv1.weight": torch.zeros(1)})
    assert caught.value.code == "weights-corrupt"
