"""`python -m bench.objects`: small objects out of S3, by the container's way and by boto3's get_object.

Both with as many threads, in turns, from the same server on this machine. Prints a table, and last one
line of JSON.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from chalicelib.contract.objects import image_key
from training_job.aws import Clients
from training_job.objects import ImageObjects
from training_job.window import run_in_window

from .memory import peak_bytes
from .objects_server import ACCESS_KEY, SECRET_KEY, install, serving
from .report import Check, Section

_BUCKET, _PROJECT = "bench-objects", "bench"
_BYTES = 900
_WARM = 200
_READY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Setting:
    """What is read, and how: the server's address, objects, threads."""

    url: str
    objects: int
    threads: int

    def clients(self) -> Clients:
        session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1")
        config = Config(max_pool_connections=self.threads)
        s3 = session.client("s3", endpoint_url=self.url, config=config)
        return Clients(None, s3, session)


def run(program: Path, pairs: int, objects: int, threads: int) -> Section:
    """Reads `objects` objects by turns, `pairs` times each way; and four times as many for the memory."""
    with serving(program) as url:
        setting = Setting(url, objects, threads)
        _fill(setting, 4 * objects)
        with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
            growth = [
                pool.apply(_growth, (Setting(url, count, threads),)) for count in (objects, 4 * objects)
            ]
        rates = list(_rates(setting, pairs))
    ours, theirs = (median(each) for each in zip(*rates, strict=True))
    return Section(
        "objects",
        [
            Check("objects/s of ours to those of boto3, ratio", _ratio(rates), 3, at_least=True),
            Check(f"more memory for {4 * objects} objects than for {objects}, MB", growth[1] - growth[0], 10),
        ],
        {
            f"ours, objects/s in {threads} threads": round(ours),
            f"boto3 get_object, objects/s in {threads} threads": round(theirs),
            f"peak memory growth at {objects} objects, MB": round(growth[0], 1),
            f"peak memory growth at {4 * objects} objects, MB": round(growth[1], 1),
        },
    )


def _ratio(rates: list[tuple[float, float]]) -> float:
    return median(ours / theirs for ours, theirs in rates)


def _fill(setting: Setting, count: int) -> None:
    s3 = setting.clients().s3
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        try:
            s3.create_bucket(Bucket=_BUCKET)
            break
        except ClientError:  # the server listens before its parts have found each other
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)

    def put(number: int) -> None:
        s3.put_object(Bucket=_BUCKET, Key=image_key(_PROJECT, str(number)), Body=os.urandom(_BYTES))

    with ThreadPoolExecutor(setting.threads) as pool:
        list(pool.map(put, range(count)))


def _rates(setting: Setting, pairs: int) -> Iterator[tuple[float, float]]:
    """Objects a second: ours, boto3's; who begins changes with each pair."""
    sides = [_ours(setting), _boto3(setting)]
    for side in sides:
        side(_WARM)
    for pair in range(pairs):
        first, second = sides if pair % 2 == 0 else reversed(sides)
        found = {side: _rate(side, setting.objects) for side in (first, second)}
        yield found[sides[0]], found[sides[1]]


def _rate(side: Callable[[int], None], count: int) -> float:
    start = time.perf_counter()
    side(count)
    return count / (time.perf_counter() - start)


def _ours(setting: Setting) -> Callable[[int], None]:
    images = ImageObjects(setting.clients().bucket(_BUCKET), _PROJECT)

    def read(count: int) -> None:
        run_in_window(
            lambda number: _check(images.get(str(number))),
            [_BYTES] * count,
            lambda _: None,
            threads=setting.threads,
        )

    return read


def _boto3(setting: Setting) -> Callable[[int], None]:
    s3 = setting.clients().s3

    def get(number: int) -> None:
        _check(s3.get_object(Bucket=_BUCKET, Key=image_key(_PROJECT, str(number)))["Body"].read())

    def read(count: int) -> None:
        with ThreadPoolExecutor(setting.threads) as pool:
            list(pool.map(get, range(count)))

    return read


def _check(body: bytes) -> None:
    if len(body) != _BYTES:
        raise RuntimeError(f"{len(body)} bytes came back")


def _growth(setting: Setting) -> float:
    """Megabytes by which the peak memory of this process grows with that many objects."""
    side = _ours(setting)
    side(_WARM)
    before = peak_bytes()
    side(setting.objects)
    return (peak_bytes() - before) / 1e6


def main() -> int:
    """Returns 0 where every check passed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000, help="a run")
    parser.add_argument("--pairs", type=int, default=5, help="of runs")
    parser.add_argument("--threads", type=int, default=16, help="of each side")
    parser.add_argument(
        "--folder", type=Path, default=Path("build/bench"), help="for the S3 server's program"
    )
    arguments = parser.parse_args()
    program = install(arguments.folder.resolve())
    section = run(program, arguments.pairs, arguments.objects, arguments.threads)
    print(f"{'section':<8} {'figure':<64} {'measured':>12} {'target':>10}")
    print("\n".join(section.lines()), flush=True)
    print(json.dumps({section.name: section.to_json()}))
    return 0 if section.passed else 1


if __name__ == "__main__":
    sys.exit(main())
