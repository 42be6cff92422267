"""Labels by file name, 10,000 a request, in a project whose images are all there."""

import gc
import math
import time
from collections.abc import Sequence
from statistics import median

from chalicelib.adapters.dynamodb import WRITES_A_BATCH
from chalicelib.contract.ids import FIRST, LAST
from chalicelib.contract.records import Project
from chalicelib.contract.tables import IMAGES

from .pages import PAGE_BYTES
from .report import Check, Section
from .world import PREFIX, World, file_name

LABELS_A_REQUEST = 10_000


def run(world: World, images: int, labels_a_request: int = LABELS_A_REQUEST) -> Section:
    """Labels `images` images; each request reads all the images' names and writes its labels."""
    project = world.add_project()
    world.fill(project, images, labelled=False)
    # The simulation keeps its answers, and its rows are no garbage: a server's work isn't the client's.
    sum(1 for _ in world.ports.images.known(project.project_id))
    gc.freeze()
    requests = [range(start, start + labels_a_request) for start in range(0, images, labels_a_request)]
    seconds, cpu = [], time.process_time()
    with world.simulated.counted() as calls:
        for numbers in requests:
            started = time.perf_counter()
            _store(world, project, numbers)
            seconds.append(time.perf_counter() - started)
    cpu = time.process_time() - cpu
    minimum = len(requests) * (math.ceil(labels_a_request / WRITES_A_BATCH) + _pages(world, project))
    return Section(
        "labels",
        [
            Check("DynamoDB calls, of the minimum (writes / 25 + pages)", calls.total() / minimum, 1.05),
            Check(f"request of {labels_a_request} labels, s", median(seconds), 3),
        ],
        {
            "DynamoDB calls": calls.total(),
            "calls at the least": minimum,
            "slowest request, s": round(max(seconds), 2),
            "CPU a label, µs": round(cpu / images * 1e6, 1),
            "calls at one moment, at most": world.simulated.most_at_once,
        },
    )


def _store(world: World, project: Project, numbers: Sequence[int]) -> None:
    labels = {file_name(number): f"class {number % 20:02}" for number in numbers}
    report = world.services.labelling.store(project, labels)
    if report.updated != len(labels):
        raise RuntimeError(f"{len(report.failures)} labels were not stored: {report.failures[:3]}")


def _pages(world: World, project: Project) -> int:
    """How many pages the rows of a project's images are at the least."""
    size = world.simulated.tables.size(PREFIX + IMAGES, project.project_id, FIRST, LAST)
    return math.ceil(size / PAGE_BYTES)
