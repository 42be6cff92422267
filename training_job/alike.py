"""Groups of images that are the same or look alike, in time that grows with their number alone."""

from collections.abc import Iterable

from chalicelib.contract.likeness import Sets, Wide, has_features, unite_alike
from chalicelib.contract.manifest import Entry

Groups = tuple[tuple[Entry, ...], ...]


def groups_of(entries: Iterable[Entry]) -> tuple[Groups, Groups]:
    """All entries in their groups, those that stand alone too; and the groups of two or more.

    Alike are images of the same bytes, or whose perceptual hashes say so, directly or by way of others.
    """
    listed = tuple(entries)
    sets = Sets(len(listed))
    _unite_same(listed, sets)
    _unite_alike(listed, sets)
    several = [tuple(listed[each] for each in group) for group in sets.several()]
    grouped = {entry.image_id for group in several for entry in group}
    alone = [(entry,) for entry in listed if entry.image_id not in grouped]
    return (*several, *alone), tuple(sorted(several, key=lambda group: (-len(group), group[0].image_id)))


def _unite_same(entries: tuple[Entry, ...], sets: Sets) -> None:
    first: dict[str, int] = {}
    for number, entry in enumerate(entries):
        if entry.sha256:
            sets.unite(first.setdefault(entry.sha256, number), number)


def _unite_alike(entries: tuple[Entry, ...], sets: Sets) -> None:
    hashes, numbers = Wide(), []
    for number, entry in enumerate(entries):
        value = int(entry.perceptual_hash or "0", 16)
        if has_features(value):
            hashes.append(value)
            numbers.append(number)
    found = Sets(len(hashes))
    unite_alike(hashes, found)
    for group in found.several():
        for each in group:
            sets.unite(numbers[group[0]], numbers[each])
