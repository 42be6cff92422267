"""Deleting a large project: as few calls as there can be, and to zero through any number of deaths."""

import math
from datetime import timedelta
from random import Random

from chalicelib.adapters.dynamodb import WRITES_A_BATCH
from chalicelib.contract.ids import FIRST
from chalicelib.contract.objects import project_prefixes
from chalicelib.contract.records import Project
from chalicelib.contract.tables import IMAGES, LABELS, PROJECTS, REMOVING

from .aws import Killed
from .pages import PAGE_BYTES
from .report import Check, Section
from .world import NOW, PREFIX, World

DEATHS = 20
_KEYS_A_CALL = 1000
_AFTER_ALL = "~"


def run(world: World, images: int) -> Section:
    """Removes a project of `images` images undisturbed, and another one that dies over and over."""
    neighbour = world.add_project()
    world.fill(neighbour, 100, labelled=True, with_objects=True)
    kept = _left(world, neighbour)
    project = _deleted(world, images)
    minimum = _minimum(world, project)
    with world.simulated.counted() as calls:
        _remove(world)
    dying = _deleted(world, images)
    deaths = _die(world, _minimum(world, dying) // DEATHS)
    left = _left(world, project) + _left(world, dying) + abs(_left(world, neighbour) - kept)
    return Section(
        "delete",
        [
            Check("calls, of the minimum (deletes / 25, / 1,000 + pages)", calls.total() / minimum, 1.05),
            Check("deaths at random calls", deaths, DEATHS, at_least=True),
            Check("rows and objects left after them, or gone from a neighbour", left, 0),
        ],
        {"calls": calls.total(), "calls at the least": minimum},
    )


def _deleted(world: World, images: int) -> Project:
    """Deleted long ago, so that nothing more may come."""
    project = world.add_project(deleted_at=NOW, removing=REMOVING)
    world.fill(project, images, labelled=True, with_objects=True)
    return project


def _remove(world: World) -> None:
    while world.services.removal.run(world.ports.clock.now() + timedelta(minutes=14)):
        pass


def _die(world: World, calls_a_life: int) -> int:
    """Removes with `DEATHS` deaths, each after a random number of calls, and then to the end."""
    random, deaths = Random(7), 0
    for _ in range(DEATHS):
        world.simulated.dies_at = random.randint(1, max(1, calls_a_life))
        try:
            _remove(world)
        except Killed:
            deaths += 1
    world.simulated.dies_at = None
    _remove(world)
    return deaths


def _minimum(world: World, project: Project) -> int:
    """Calls that find and delete everything: each row and each object is read once, and written once."""
    calls = 0
    for table in (IMAGES, LABELS):
        rows = world.simulated.tables.count(PREFIX + table, project.project_id)
        size = world.simulated.tables.size(PREFIX + table, project.project_id, FIRST, _AFTER_ALL)
        calls += math.ceil(rows / WRITES_A_BATCH) + math.ceil(size / PAGE_BYTES)
    return calls + 2 * math.ceil(_objects(world, project) / _KEYS_A_CALL)


def _left(world: World, project: Project) -> int:
    tables = world.simulated.tables
    rows = sum(tables.count(PREFIX + each, project.project_id) for each in (PROJECTS, IMAGES, LABELS))
    return rows + _objects(world, project)


def _objects(world: World, project: Project) -> int:
    prefixes = project_prefixes(project.project_id)
    return sum(key.startswith(prefixes) for key in world.simulated.bucket.objects)
