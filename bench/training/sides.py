"""Who trains: Darkroom, and its peers, each as a command."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from . import venvs
from .process import Measured, measure
from .protocol import Case

#: Of the repository: where a side's module is found.
ROOT = Path(__file__).parent.parent.parent
OURS = "ours"
#: Of each peer: its requirements, and its module.
PEERS = {
    "torchvision": "torchvision_recipe",
    "timm": "timm_train",
    "transformers": "hf_trainer",
    "fastai": "fastai_learner",
    "ultralytics": "ultralytics_classify",
}


@dataclass(frozen=True, slots=True)
class Side:
    """Attributes:
    name: ours, or the peer's.
    command: to which a case is added as its last argument.
    """

    name: str
    command: tuple[str, ...]

    def run(self, case: Case, limit_seconds: float) -> Measured:
        """Trains the case in a process of its own, in a folder of its own below the case's.

        Raises:
            RunFailedError: it ended with an error, or not in time.
        """
        out = Path(case.out) / self.name
        out.mkdir(parents=True, exist_ok=True)
        return measure(
            [*self.command, replace(case, out=str(out)).to_argument()],
            cwd=ROOT,
            log=out / "log.txt",
            environment={"YOLO_CONFIG_DIR": str(out), "HF_HOME": str(out)},
            limit_seconds=limit_seconds,
        )


def sides(
    names: Mapping[str, str], folder: Path, python_of: Callable[[str, Path], Path] = venvs.python_of
) -> tuple[list[Side], dict[str, str]]:
    """Ours first, then those of the peers that install; and why the others don't.

    Args:
        names: of peers, with their modules; see `PEERS`.
        folder: of the peers' environments.
    """
    found, missing = [Side(OURS, (sys.executable, "-m", "bench.training.ours"))], {}
    for name, module in names.items():
        try:
            found.append(Side(name, (str(python_of(name, folder)), "-m", f"bench.peers.{module}")))
        except venvs.InstallError as error:
            missing[name] = str(error)
    return found, missing
