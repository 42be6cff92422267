"""Projects and their configurations."""

import pytest

from chalicelib.contract.errors import NotFoundError
from chalicelib.contract.records import Configuration
from tests.support import NOW, make_project, new_id


def _projects(ports, count: int) -> list:
    user_id = new_id()
    made = [make_project(user_id=user_id, project_id=new_id(10**12 + number)) for number in range(count)]
    for each in made:
        ports.projects.add(each)
    return made


def _configuration(project_id: str) -> Configuration:
    return Configuration(
        project_id=project_id,
        config_id=new_id(),
        learning_rate=0.0005,
        epochs=8,
        batch_size=32,
        other_parameters={"architecture": "resnet18", "mixup": 0.5, "pretrained": True},
        created_at=NOW,
    )


def _read(ports, project_id: str):
    return ports.admission_reader.read(new_id(), project_id, None).project


def test_projects_are_listed_newest_first_and_only_ones_own(ports):
    """A user's list has the user's projects alone, newest first."""
    made = _projects(ports, 3)
    _projects(ports, 1)
    assert list(ports.projects.list(made[0].user_id, 10, None)) == made[::-1]


def test_pages_skip_nothing_and_repeat_nothing(ports):
    """Pages that begin before the last id seen hold every project once."""
    made = _projects(ports, 5)
    pages, before = [], None
    while page := list(ports.projects.list(made[0].user_id, 2, before)):
        pages += page
        before = page[-1].project_id
    assert pages == made[::-1]


def test_a_deleted_project_is_hidden_and_shortens_no_page(ports):
    """A deleted project is in no list, a page is full without it, and its row says when it went."""
    made = _projects(ports, 3)
    ports.projects.delete(made[2].project_id, NOW)
    ports.projects.delete(made[2].project_id, "later")
    assert list(ports.projects.list(made[0].user_id, 2, None)) == [made[1], made[0]]
    assert _read(ports, made[2].project_id).deleted_at == NOW


def test_renaming_changes_what_is_given(ports):
    """A new name leaves the description, and the other way round."""
    [project] = _projects(ports, 1)
    assert ports.projects.rename(project.project_id, "dogs", None).description == project.description
    changed = ports.projects.rename(project.project_id, None, "of the town")
    assert (changed.project_name, changed.description) == ("dogs", "of the town")
    assert _read(ports, project.project_id) == changed


def test_renaming_what_is_not_there_makes_nothing(ports):
    """An unknown and a deleted project can't be renamed, and don't come into being by it."""
    [project] = _projects(ports, 1)
    ports.projects.delete(project.project_id, NOW)
    unknown = new_id()
    for each in (project.project_id, unknown):
        with pytest.raises(NotFoundError):
            ports.projects.rename(each, "dogs", None)
    assert _read(ports, unknown) is None


def test_deleting_an_unknown_project_makes_nothing(ports):
    """Deleting a project that isn't there leaves no row."""
    unknown = new_id()
    ports.projects.delete(unknown, NOW)
    assert _read(ports, unknown) is None


def test_a_deleted_project_is_being_removed_until_it_is_forgotten(ports):
    """Deleted projects alone are found for removal, longest deleted first, until they are forgotten."""
    first, second, kept = _projects(ports, 3)
    ports.projects.delete(second.project_id, "2026-01-31T08:15:00.000Z")
    ports.projects.delete(first.project_id, "2026-01-31T08:16:00.000Z")
    ours = [first.project_id, second.project_id, kept.project_id]

    def found() -> list[str]:
        return [each.project_id for each in ports.projects.removing() if each.project_id in ours]

    assert found() == [second.project_id, first.project_id]
    for _ in range(2):
        ports.projects.forget(second.project_id)
    assert found() == [first.project_id]
    assert _read(ports, second.project_id) is None
    assert _read(ports, kept.project_id) == kept


def test_a_configuration_becomes_the_current_one(ports):
    """Adding a version points the project at it and keeps the versions before it."""
    [project] = _projects(ports, 1)
    first, second = (_configuration(project.project_id) for _ in range(2))
    ports.configurations.add(first)
    ports.configurations.add(second)
    assert _read(ports, project.project_id).current_config_id == second.config_id
    assert ports.configurations.get(project.project_id, first.config_id) == first
    assert ports.configurations.get(project.project_id, new_id()) is None


def test_a_configuration_needs_its_project(ports):
    """Without the project neither the version nor the project is written."""
    orphan = _configuration(new_id())
    ports.configurations.add(orphan)
    assert ports.configurations.get(orphan.project_id, orphan.config_id) is None
    assert _read(ports, orphan.project_id) is None
