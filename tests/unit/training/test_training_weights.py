import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import torch
from torchvision.models import get_model

from chalicelib.contract.config import Detector
from chalicelib.contract.errors import TrainingError
from training_job.model import build_model
from training_job.weights import (
    ARCHITECTURES,
    WeightFile,
    available,
    fetch,
    hash_matches,
    install,
    load_detector_weights,
    load_weights,
    main,
    weight_files,
)


def write_weights(folder: Path, stem: str = "net") -> Path:
    """A state dict under a name that carries its hash, as torchvision names its files."""
    folder.mkdir(exist_ok=True)
    path = folder / "new.pth"
    torch.save({"weight": torch.ones(2)}, path)
    return path.rename(folder / f"{stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}.pth")


def file_names(architecture: str) -> list[str]:
    return [file.name for file in weight_files(architecture)]


def test_torchvision_names_carry_hashes() -> None:
    """Torchvision's default comes first, and the file that the container installs is among the names."""
    assert file_names("mobilenet_v2")[0] == "mobilenet_v2-7ebf99e0.pth"
    assert "mobilenet_v2-b0353104.pth" in file_names("mobilenet_v2")
    assert file_names("resnet18") == ["resnet18-f37072fd.pth"]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_files_with_a_hash(architecture: str) -> None:
    """Each has a file of torchvision's whose name carries a hash; detectors may start from a backbone's."""
    files = weight_files(architecture)
    assert all(file.url.startswith("https://download.pytorch.org/models/") for file in files)
    assert all(file.name[-13] == "-" and int(file.name[-12:-4], 16) for file in files)
    kinds = {file.kind for file in files}
    only_backbone = architecture == "ssdlite_mobilenet_v2"
    is_detector = architecture in get_args(Detector)
    assert kinds == {"backbone"} if only_backbone else kinds == {"full", *["backbone"] * is_detector}


def test_container_image_asks_for_known_architectures() -> None:
    """Each name in the Dockerfile's WEIGHTS can be fetched; a misspelt one would fail the build."""
    dockerfile = Path(__file__).parents[3] / "training_job" / "Dockerfile"
    found = re.search(r'^ARG WEIGHTS="([^"]+)"$', dockerfile.read_text(), re.MULTILINE)
    assert found
    wanted = found[1].replace("\\\n", "").split()
    assert len(wanted) > 5
    assert set(wanted) <= set(ARCHITECTURES)


def test_weights_with_a_restricted_licence_are_left_out() -> None:
    """The transformer's SWAG weights, for non-commercial use only, are never loaded."""
    assert file_names("vit_b_16") == ["vit_b_16-c867db91.pth"]


def test_present_weights_are_loaded(tmp_path: Path) -> None:
    """The first of the named files that is there is read."""
    path = write_weights(tmp_path)
    files = [WeightFile("https://x/absent-00000000.pth"), WeightFile(f"https://x/{path.name}")]
    assert load_weights("resnet18", tmp_path, files)["weight"].tolist() == [1, 1]


def test_detector_prefers_its_own_weights(tmp_path: Path) -> None:
    """A detector starts from its own weights, where there are none from its backbone's, and says which."""
    own, backbone = write_weights(tmp_path, "own"), write_weights(tmp_path, "backbone")
    files = [WeightFile(own.name), WeightFile(backbone.name, "backbone")]
    assert load_detector_weights("retinanet_resnet50_fpn_v2", tmp_path, files)[1] == "full"
    own.unlink()
    assert load_detector_weights("retinanet_resnet50_fpn_v2", tmp_path, files)[1] == "backbone"


def test_missing_weights_say_what_to_do(tmp_path: Path) -> None:
    """Weights that aren't there end the run, naming those for the same task that are, and the way out."""
    (tmp_path / "resnet50-11ad3fa6.pth").touch()
    detectors = ["fasterrcnn_resnet50_fpn_v2", "retinanet_resnet50_fpn_v2"]
    assert available(tmp_path) == ["resnet50", *detectors]
    with pytest.raises(
        TrainingError, match=r"mobilenet_v2 .* only for resnet50\. .*pretrained=false"
    ) as caught:
        load_weights("mobilenet_v2", tmp_path)
    assert caught.value.code == "weights-missing"
    with pytest.raises(TrainingError, match=f"only for {', '.join(detectors)}\\."):
        load_detector_weights("ssdlite_mobilenet_v2", tmp_path)


def test_damaged_weights_are_not_read(tmp_path: Path) -> None:
    """A file whose hash isn't the one in its name is refused before it is unpickled."""
    path = write_weights(tmp_path)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(TrainingError, match="damaged") as caught:
        load_weights("resnet18", tmp_path, [WeightFile(path.name)])
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


def test_installing_twice_copies_once(tmp_path: Path) -> None:
    """Installing is idempotent, and replaces a file that got damaged."""
    path = write_weights(tmp_path / "from")
    assert install([path], tmp_path / "to", [path.name]) == [path.name]
    assert install([path], tmp_path / "to", [path.name]) == []
    (tmp_path / "to" / path.name).write_bytes(b"damaged")
    assert install([path], tmp_path / "to", [path.name]) == [path.name]
    assert hash_matches(tmp_path / "to" / path.name)


class Server(http.server.ThreadingHTTPServer):
    """Serves one file; the first `broken` answers break off in the middle."""

    def __init__(self, body: bytes, broken: int = 0) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body, self.broken, self.asked = body, broken, 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        whole = self.server.asked > self.server.broken
        self.wfile.write(self.server.body if whole else self.server.body[:100])

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """With a state dict that has the hash of `served`."""
    with Server(write_weights(tmp_path / "served").read_bytes()) as each:
        thread = threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield each
        each.shutdown()
        thread.join()


def served(tmp_path: Path) -> str:
    [path] = (tmp_path / "served").iterdir()
    return path.name


def test_broken_off_download_is_tried_again(tmp_path: Path, server: Server) -> None:
    """A body that breaks off is fetched again, and what lies there in the end has the right hash."""
    server.broken, file = 2, WeightFile(server.url(served(tmp_path)))
    fetch(file, tmp_path / "to", pause_seconds=0)
    assert server.asked == 3
    assert [path.name for path in (tmp_path / "to").iterdir()] == [file.name]
    assert load_weights("resnet18", tmp_path / "to", [file])["weight"].tolist() == [1, 1]


@pytest.mark.parametrize("broken", [0, 9])
def test_wrong_download_leaves_nothing(tmp_path: Path, server: Server, broken: int) -> None:
    """After a wrong hash or broken bodies throughout, no file is there, whole or in part."""
    server.broken = broken
    name = "resnet18-f37072fd.pth" if not broken else served(tmp_path)
    with pytest.raises(TrainingError, match=name) as caught:
        fetch(WeightFile(server.url(name)), tmp_path / "to", attempts=2, pause_seconds=0)
    assert caught.value.code == "weights-missing"
    assert server.asked == 2
    assert list((tmp_path / "to").iterdir()) == []


def test_image_without_its_weights_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is required is there and whole, or the command fails."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("training_job.weights._packaged", list)
    monkeypatch.setattr("socket.setdefaulttimeout", lambda seconds: None)
    main(["--fetch", "none"])
    with pytest.raises(TrainingError, match="no pretrained weights for resnet18"):
        main(["--require", "resnet18"])
    damaged = tmp_path / "hub" / "checkpoints" / file_names("resnet18")[0]
    damaged.write_bytes(b"damaged")
    with pytest.raises(TrainingError, match="damaged"):
        main(["--require", "resnet18"])


def test_nothing_is_fetched_that_is_there(tmp_path: Path, server: Server) -> None:
    """A file that is there and whole is not asked for again; a damaged one is."""
    file = WeightFile(server.url(served(tmp_path)))
    fetch(file, tmp_path / "served")
    assert server.asked == 0
    (tmp_path / "served" / file.name).write_bytes(b"damaged")
    fetch(file, tmp_path / "served")
    assert server.asked == 1
    assert hash_matches(tmp_path / "served" / file.name)


def test_pretrained_body_of_a_file(tmp_path: Path) -> None:
    """A model built of a file that torchvision's own model was saved to has all but the head of it."""
    theirs = get_model("mobilenet_v3_small", weights=None, num_classes=5)
    path = tmp_path / "new.pth"
    torch.save(theirs.state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = WeightFile(path.rename(tmp_path / f"net-{digest[:8]}.pth").name)
    weights = load_weights("mobilenet_v3_small", tmp_path, [file])
    ours = build_model("mobilenet_v3_small", 2, seed=2, pretrained=weights).backbone.state_dict()
    same = {name for name, value in theirs.state_dict().items() if torch.equal(ours[name], value)}
    assert set(ours) - same == {"classifier.3.weight", "classifier.3.bias"}
