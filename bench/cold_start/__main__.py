"""`python -m bench.cold_start`: the packaged API's first and warm requests, beside a bare app and peers.

Every side runs under Lambda's own runtime client, in alternation, on the embedded AWS. Ours is the zip as
it is deployed, its modules compiled where this machine has Lambda's Python; those of the others aren't, as
their tools package them, and as Lambda keeps nothing that it compiles; a bare app with ours is shown too.
Times are CPU seconds, which other work on the machine disturbs least, and in which no wait for AWS counts;
those of Python and of the runtime client by themselves are taken off. Prints a table, and last one line of
JSON.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any
from zipfile import ZipFile

from bench.report import Check, Section
from infra.package import build
from infra.package.interpreters import python_of
from infra.package.target import PYTHON
from infra.packaged.environments import environment

from .sides import APPS, BARE, OURS, RUNTIME, Cold, Side, without_compiled
from .world import World, world

_COLD_LIMIT, _WARM_LIMIT = 1.15, 1.5
_EMPTY, _COMPILED = "empty chalice view", "bare, compiled"
_PEERS = {"FastAPI + Mangum": "fastapi", "Flask + apig-wsgi": "flask", "Powertools": "powertools"}
_REQUIREMENTS = Path(__file__).with_name("requirements")


def main() -> int:
    options = _options()
    version = PYTHON if python_of(PYTHON) else f"{sys.version_info.major}.{sys.version_info.minor}"
    _say(f"Python {version}" + ("" if version == PYTHON else f": Lambda's {PYTHON} isn't here"))
    python = environment(
        "lambda", options.environments / f"lambda-{version}", python_of(version) or sys.executable
    )
    package = build(options.work / "package", region="us-east-1", python=version)
    code, plain = (
        _unzipped(package.zip, options.work / "task"),
        _unzipped(package.zip, options.work / "plain"),
    )
    without_compiled(plain)
    without_compiled(APPS)
    peers = {name: _installed(each, python, options.work / each) for name, each in _PEERS.items()}
    with world() as here:
        sides = _sides(here, python, code, plain, peers, options.work)
        cold = _cold([side for side in sides if side.name != _EMPTY], options.rounds)
        warm = _warm([side for side in sides if side.name != RUNTIME], options.rounds, options.times)
    section = _section(cold, warm)
    _say("\n".join([*_table(cold, warm), *section.lines()]))
    _say(json.dumps(_to_json(cold, warm, section)))
    return 0 if section.passed else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cold_start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="of everyone, each in the other direction")
    parser.add_argument("--times", type=int, default=300, help="warm requests of a round")
    parser.add_argument("--work", type=Path, default=Path("build/bench/cold_start"), help="code and packages")
    parser.add_argument(
        "--environments", type=Path, default=Path("build/environments"), help="of Lambda's Python"
    )
    options = parser.parse_args()
    options.work = options.work.absolute()
    options.environments = options.environments.absolute()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


def _installed(name: str, python: Path, folder: Path) -> Path:
    """A peer's packages, as they would lie in its zip: not compiled."""
    pins = _REQUIREMENTS / f"{name}.txt"
    stamp = folder / "installed.txt"
    if not stamp.exists() or stamp.read_text() != pins.read_text():
        _say(f"installing the packages of {name}")
        options = [
            "--quiet",
            "--disable-pip-version-check",
            "--no-compile",
            "--upgrade",
            f"--target={folder}",
        ]
        command = [str(python), "-m", "pip", "install", *options, f"--requirement={pins}"]
        subprocess.run(command, check=True)  # noqa: S603 - pip
        stamp.write_text(pins.read_text())
    return folder


def _unzipped(path: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    with ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


def _sides(
    here: World, python: Path, code: Path, plain: Path, peers: Mapping[str, Path], work: Path
) -> list[Side]:
    def side(name: str, module: str, *path: Path, event: Mapping[str, Any] = here.peers) -> Side:
        return Side(name, module, path, event, python, here.variables, work)

    return [
        side(RUNTIME, "nothing"),
        side(OURS, "app", code, event=here.status),
        side(BARE, "bare", plain),  # the same Chalice, pydantic and argon2
        side(_COMPILED, "bare", code),
        side(_EMPTY, "bare", plain, event=here.empty),
        *(side(name, f"with_{_PEERS[name]}", folder) for name, folder in peers.items()),
    ]


def _cold(sides: list[Side], rounds: int) -> dict[str, Cold]:
    runs: dict[str, list[Cold]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            runs[side.name].append(side.cold())
    return {name: Cold.middle(each) for name, each in runs.items()}


def _warm(sides: list[Side], rounds: int, times: int) -> dict[str, float]:
    runs: dict[str, list[float]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            runs[side.name].append(side.warm(times))
    return {name: median(each) for name, each in runs.items()}


def _net(cold: Mapping[str, Cold], name: str) -> float:
    """CPU seconds without those of the runtime by itself."""
    return cold[name].cpu_seconds - cold[RUNTIME].cpu_seconds


def _section(cold: Mapping[str, Cold], warm: Mapping[str, float]) -> Section:
    return Section(
        "lambda",
        [
            Check("cold start to a bare Chalice app's", _net(cold, OURS) / _net(cold, BARE), _COLD_LIMIT),
            Check("warm status to an empty Chalice view", warm[OURS] / warm[_EMPTY], _WARM_LIMIT),
        ],
    )


def _table(cold: Mapping[str, Cold], warm: Mapping[str, float]) -> Iterator[str]:
    yield f"{'':<20}{'cold CPU ms':>12}{'to bare':>9}{'wall ms':>9}{'warm CPU ms':>13}{'to empty':>10}"
    for name in {**cold, **warm}:
        start = f"{'':>30}"
        if name in cold and name != RUNTIME:
            net = _net(cold, name)
            start = f"{1000 * net:>12.0f}{net / _net(cold, BARE):>9.2f}{1000 * cold[name].seconds:>9.0f}"
        elif name in cold:
            start = f"{1000 * cold[name].cpu_seconds:>12.0f}{'':>9}{1000 * cold[name].seconds:>9.0f}"
        end = f"{1000 * warm[name]:>13.3f}{warm[name] / warm[_EMPTY]:>10.2f}" if name in warm else ""
        yield f"{name:<20}{start}{end}"


def _to_json(cold: Mapping[str, Cold], warm: Mapping[str, float], section: Section) -> dict[str, Any]:
    sides = {
        name: {
            "coldCpuMilliseconds": round(1000 * _net(cold, name), 1) if name in cold else None,
            "warmCpuMilliseconds": round(1000 * warm[name], 4) if name in warm else None,
        }
        for name in {**cold, **warm}
        if name != RUNTIME
    }
    return section.to_json() | {"sides": sides}


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
