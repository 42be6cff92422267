"""The list and the summary of a large project: pages only, and memory that hardly grows with it."""

import gc
import math
import time
import tracemalloc
from collections.abc import Callable

from chalicelib.contract.ids import FIRST, LAST
from chalicelib.contract.records import Project
from chalicelib.contract.tables import IMAGES, LABELS
from chalicelib.services.filters import Filter

from .pages import PAGE_BYTES
from .report import Check, Section
from .world import PREFIX, World

ITEMS_A_PAGE = 100
_SLOW_SECONDS = 0.5  # so that a round trip stands out from the CPU time
Use = Callable[[World, Project], object]


def run_list(world: World, images: int) -> Section:
    """The first page, and a walk over pages, each of which begins where the last one ended."""
    project = _project(world, images)
    _first_page(world, project)  # makes the clients
    world.simulated.latency_seconds, latency = _SLOW_SECONDS, world.simulated.latency_seconds
    started = time.perf_counter()
    with world.simulated.counted() as calls:
        _first_page(world, project)
    trips = (time.perf_counter() - started) / _SLOW_SECONDS
    world.simulated.latency_seconds = latency
    return Section(
        "list",
        [
            Check("first page, round trips (seconds / latency)", trips, 2),
            Check("DynamoDB calls of the first page: one of images, one of labels", calls.total(), 2),
            Check("memory of a page, bytes an image more", _growth(world, images, _first_page, tries=5), 1),
        ],
    )


def run_summary(world: World, images: int) -> Section:
    """Everything counted, in one pass over images and labels."""
    project = _project(world, images)
    minimum = sum(_pages(world, project, each) for each in (IMAGES, LABELS))
    started, cpu = time.perf_counter(), time.process_time()
    with world.simulated.counted() as calls:
        tally = world.services.overview.summary(project).tally
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if (tally.images, tally.labelled) != (images, images):
        raise RuntimeError(f"{tally.labelled} labels of {tally.images} images, not {images}")
    growth = _growth(world, images, lambda world, project: world.services.overview.summary(project))
    return Section(
        "summary",
        [
            Check("DynamoDB calls, of the pages there are", calls.total() / minimum, 1.05),
            Check("memory, bytes an image more in the project", growth, 100),
        ],
        {
            "DynamoDB calls": calls.total(),
            "seconds": round(seconds, 2),
            "CPU an image, µs": round(cpu / images * 1e6, 1),
        },
    )


def _project(world: World, images: int) -> Project:
    project = world.add_project()
    world.fill(project, images, labelled=True)
    return project


def _first_page(world: World, project: Project) -> None:
    shown, cursor = world.services.gallery.list(project.project_id, ITEMS_A_PAGE, None, Filter())
    if len(shown) != ITEMS_A_PAGE or cursor is None:
        raise RuntimeError(f"a page of {len(shown)}")


def _pages(world: World, project: Project, table: str) -> int:
    """How many pages a project's rows are at the least."""
    size = world.simulated.tables.size(PREFIX + table, project.project_id, FIRST, LAST)
    return math.ceil(size / PAGE_BYTES)


def _growth(world: World, images: int, use: Use, tries: int = 1) -> float:
    """By how many bytes the peak grows an image, from a project of half of them to one of all."""
    small, large = images // 2, images
    projects = [_project(world, each) for each in (small, large)]
    # The least of several: now and then one falls into a moment with garbage that isn't collected yet.
    less, more = (min(_peak_bytes(world, each, use) for _ in range(tries)) for each in projects)
    return max(0, more - less) / (large - small)


def _peak_bytes(world: World, project: Project, use: Use) -> int:
    """Of what Python allocates meanwhile, the simulation's page in the making included."""
    world.simulated.latency_seconds, latency = 0, world.simulated.latency_seconds
    use(world, project)
    gc.collect()
    tracemalloc.start()
    use(world, project)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    world.simulated.latency_seconds = latency
    return peak
