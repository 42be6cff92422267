"""Dataset versions."""

from dataclasses import replace

from chalicelib.contract.datasets import DatasetVersion
from chalicelib.contract.ids import FIRST, LAST, ulid_at
from chalicelib.contract.tables import VERSION_MARKER
from tests.support import NOW, make_image, new_id


def _version(project_id: str, name: str | None = None, version_id: str = "") -> DatasetVersion:
    version_id = version_id or new_id()
    return DatasetVersion(
        project_id=project_id,
        image_id=VERSION_MARKER + version_id,
        version_id=version_id,
        dataset_hash="h",
        created_at=NOW,
        images=3,
        classes={"cat": 2, "#é.": 1},
        splits={"val": 1},
        size_bytes=15,
        name=name,
    )


def test_a_version_is_kept_whole_and_never_changes(ports, project_id):
    """Every field comes back, a second version of the id is refused, and other projects don't see it."""
    version = _version(project_id, "first")
    assert ports.versions.add(version)
    assert not ports.versions.add(replace(version, name="second"))
    assert not ports.versions.add(replace(version, name=None))
    assert ports.versions.get(project_id, version.version_id) == version
    assert ports.versions.get(new_id(), version.version_id) is None


def test_a_name_is_taken_once_a_project(ports, project_id):
    """Compared case-folded; a version without a name takes none, and another project has its own."""
    assert ports.versions.add(_version(project_id, "Straße"))
    refused = _version(project_id, "STRASSE")
    assert not ports.versions.add(refused)
    assert ports.versions.get(project_id, refused.version_id) is None
    assert all(ports.versions.add(_version(project_id)) for _ in range(2))
    assert ports.versions.add(_version(new_id(), "Straße"))


def test_the_longest_name_can_be_taken(ports, project_id):
    """A hundred characters that folding makes eighteen hundred of still make a key."""
    assert ports.versions.add(_version(project_id, "\ufdfa" * 100))
    assert not ports.versions.add(_version(project_id, "\ufdfa" * 100))


def test_versions_are_listed_newest_first(ports, project_id):
    """A page at a time, each version once; with `named` only those that have a name."""
    base = new_id()
    made = [_version(project_id, f"v{n}" if n % 2 else None, ulid_at(base, n)) for n in range(5)]
    assert all(ports.versions.add(each) for each in made)
    first = ports.versions.list(project_id, 2, None)
    rest = ports.versions.list(project_id, 9, first[-1].version_id)
    assert [*first, *rest] == made[::-1]
    assert list(ports.versions.list(project_id, 9, None, named=True)) == [made[3], made[1]]
    assert list(ports.versions.list(project_id, 1, made[3].version_id, named=True)) == [made[1]]


def test_versions_are_no_images(ports, project_id):
    """The rows share a table: a list of images shows no version, and a list of versions no image."""
    image = make_image(project_id)
    ports.images.accept(image)
    ports.versions.add(_version(project_id, "first"))
    assert list(ports.images.between(project_id, FIRST, LAST)) == [image]
    assert [each.name for each in ports.versions.list(project_id, 9, None)] == ["first"]
