"""`python -m bench.training`: our training beside its peers', in alternation, on the same images.

Every side is a process with one thread and, unless told otherwise, one loader worker. Times are of
the wall clock, but for the CPU seconds, which other work on the machine disturbs least. Prints
tables, and last one line of JSON; each ratio in it is above 1 where ours is ahead, and of several
cases the worst stands.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from . import head
from .ceiling import ceiling
from .head import Race
from .pairs import Compared, run_pairs, to_json
from .pictures import Pictures, make, take
from .process import RunFailedError
from .protocol import Case
from .sides import OURS, PEERS, ROOT, Side, sides

_PICTURES = {
    64: Pictures(train=5000, val=1000, height=32, width=32),
    224: Pictures(train=800, val=200, height=400, width=533),
}
_BATCHES = {64: 64, 224: 32}
_HEAD_PICTURES = Pictures(train=1000, val=200, height=400, width=533)
_MODELS = ("mobilenet_v3_small", "resnet18")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.training", description=__doc__)
    parser.add_argument("--section", choices=("speed", "head"), default="speed")
    parser.add_argument("--size", type=int, nargs="+", choices=(64, 224), default=[64, 224], help="pixels")
    parser.add_argument("--model", nargs="+", default=list(_MODELS))
    parser.add_argument("--only", nargs="+", choices=list(PEERS), default=list(PEERS), metavar="PEER")
    parser.add_argument("--pairs", type=int, default=3, help="rounds")
    parser.add_argument("--epochs", type=int, default=4, help="of each run, from 2 on")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--workers", type=int, default=1, help="loader processes of the peers, our threads")
    parser.add_argument("--peak-tflops", type=float, help="of the device, for the model's FLOP utilisation")
    parser.add_argument("--images", type=Path, metavar="FOLDER", help="photographs, one folder a class")
    parser.add_argument("--count", type=int, nargs=2, metavar=("TRAIN", "VAL"), help="fewer, for a trial")
    parser.add_argument("--work", type=Path, default=Path("build/bench"), help="images and models")
    parser.add_argument("--venvs", type=Path, help="the peers' environments; by default below --work")
    parser.add_argument("--limit-minutes", type=float, default=60, help="of one run")
    arguments = parser.parse_args()
    if arguments.section == "speed" and arguments.epochs < 2:
        parser.error("--epochs: the first one holds the start of a run, so it takes two")
    return arguments


def _pictures(arguments: argparse.Namespace, wanted: Pictures) -> str:
    if arguments.count:
        wanted = replace(wanted, train=arguments.count[0], val=arguments.count[1])
    folder = arguments.work / "images"
    folder.mkdir(parents=True, exist_ok=True)
    # Small images are always our own: a folder of photographs has none.
    source = arguments.images if wanted.height > 32 else None
    return str((take(source, wanted, folder) if source else make(wanted, folder)).resolve())


def _trained(data: str) -> int:
    return sum(1 for _ in Path(data).glob("train/*/*"))


def _sides(arguments: argparse.Namespace, names: list[str]) -> tuple[list[Side], dict[str, str]]:
    folder = arguments.venvs or arguments.work / "venvs"
    return sides({name: PEERS[name] for name in names}, folder.absolute())


def _cases(arguments: argparse.Namespace) -> Iterator[tuple[str, Case]]:
    for size, model in product(arguments.size, arguments.model):
        label = f"{model} at {size} px"
        out = (arguments.work / "runs" / label.replace(" ", "-")).absolute()
        data = _pictures(arguments, _PICTURES[size])
        yield label, Case(
            data=data, out=str(out), model=model, size=size, batch=_BATCHES[size],
            epochs=arguments.epochs, device=arguments.device, workers=arguments.workers,
        )  # fmt: skip


def _speed(arguments: argparse.Namespace) -> dict[str, Any]:
    runners, missing = _sides(arguments, arguments.only)
    cases: dict[str, Compared] = {}
    notes: dict[str, Any] = {}
    for label, case in _cases(arguments):
        cases[label] = run_pairs(
            runners, case, train_images=_trained(case.data), pairs=arguments.pairs,
            limit_seconds=60 * arguments.limit_minutes, missing=missing, say=_say,
        )  # fmt: skip
        _say(f"\n{label}")
        _say("\n".join(cases[label].lines()))
        if case.device != "cpu":
            notes[label] = _against_ceiling(arguments, case, cases[label])
            _say(f"{label}: {notes[label]}")
    return to_json(cases) | ({"device": notes} if notes else {})


def _against_ceiling(
    arguments: argparse.Namespace, case: Case, compared: Compared
) -> dict[str, float | None]:
    """On a device with memory of its own: how near it comes to never waiting for data."""
    found = ceiling(case, sys.executable, ROOT)
    return found.to_json(compared.middle[OURS].images_per_second, arguments.peak_tflops)


def _head(arguments: argparse.Namespace) -> dict[str, Any]:
    names = [name for name in head.PEERS if name in arguments.only]
    runners, missing = _sides(arguments, names)
    case = Case(
        data=_pictures(arguments, _HEAD_PICTURES), out=str((arguments.work / "runs" / "head").absolute()),
        model="mobilenet_v2", size=160, batch=32, epochs=arguments.epochs, device=arguments.device,
        pretrained=True, workers=arguments.workers,
    )  # fmt: skip
    runs = {}
    for runner in runners:
        try:
            runs[runner.name] = runner.run(case, 60 * arguments.limit_minutes)
        except RunFailedError as error:
            missing[runner.name] = str(error)
    if OURS not in runs:
        raise SystemExit(f"{OURS}: {missing[OURS]}")
    race = Race(runs, missing)
    _say("\n".join(race.lines()))
    return race.to_json()


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> None:
    arguments = _arguments()
    run = {"speed": _speed, "head": _head}[arguments.section]
    print(json.dumps(run(arguments)))


if __name__ == "__main__":
    main()
