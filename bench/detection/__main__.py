"""`python -m bench.detection FOLDER`: our training of detectors, and torchvision's recipe beside it.

First SSDLite on a pretrained mobilenet_v2, ten epochs, with its mAP@0.5 on the held-out fifth. Then
ssdlite320 from scratch by ours and by the recipe in alternation, one thread and one loader worker:
the CPU seconds of training for one more epoch, evaluation left out. Prints, last, one line of JSON; a
ratio above 1 is ours ahead.
"""

import argparse
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

_TARGET_MAP, _TARGET_RATIO = 0.80, 2.0
_ARCHITECTURE = "ssdlite320_mobilenet_v3_large"


def _run(module: str, folder: Path, *options: str) -> list[dict[str, Any]]:
    """The lines of one side, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", f"bench.detection.{module}", str(folder), *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:  # noqa: S603
        lines = [json.loads(line) for line in process.stdout or ()]
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return lines


def _cpu_an_epoch(lines: list[dict[str, Any]]) -> float:
    """CPU seconds of training for one more epoch, of the process and its worker; the first starts up."""
    return median(after["cpu_seconds"] - before["cpu_seconds"] for before, after in pairwise(lines))


def _accuracy(folder: Path, epochs: int) -> float:
    """The best mAP@0.5 of the run."""
    options = "--architecture", "ssdlite_mobilenet_v2", "--pretrained", "--epochs", str(epochs)
    lines = _run("ours", folder, *options)
    for epoch, line in enumerate(lines, 1):
        print(f"epoch {epoch:>3}  mAP@0.5 {line['map50']:.3f}", flush=True)
    return max(line["map50"] for line in lines)


def _speed(folder: Path, pairs: int) -> dict[str, list[float]]:
    """CPU seconds of an epoch of each side, pair by pair."""
    sides: dict[str, list[float]] = {"ours": [], "recipe": []}
    for pair in range(pairs):
        for side in sorted(sides, reverse=pair % 2 == 1):
            # Below 16 images torch leaves oneDNN on one thread, which nobody trains with.
            lines = _run(side, folder, "--architecture", _ARCHITECTURE, "--epochs", "3", "--batch-size", "16")
            sides[side].append(_cpu_an_epoch(lines))
            print(f"pair {pair + 1}  {side:<7} {sides[side][-1]:.1f} CPU seconds an epoch", flush=True)
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("folder", type=Path, help="images/ and annotations/, as Pascal VOC has them")
    parser.add_argument("--section", choices=("all", "accuracy", "speed"), default="all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    told = parser.parse_args()
    result: dict[str, Any] = {}
    if told.section != "speed":
        result["map50"] = _accuracy(told.folder, told.epochs)
        result["accuracy_passed"] = result["map50"] >= _TARGET_MAP
    if told.section != "accuracy":
        sides = _speed(told.folder, told.pairs)
        ratios = [theirs / mine for mine, theirs in zip(sides["ours"], sides["recipe"], strict=True)]
        result["cpu_seconds_an_epoch"] = {name: median(values) for name, values in sides.items()}
        result["ratio"] = median(ratios)
        result["speed_passed"] = result["ratio"] >= _TARGET_RATIO
    print(json.dumps(result))


if __name__ == "__main__":
    main()
