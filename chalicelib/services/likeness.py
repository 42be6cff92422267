"""The near duplicates of a project, as its summary shows them; what makes images alike is the contract's."""

from dataclasses import dataclass

from ..contract.ids import FIRST, ulid_at, ulid_distance
from ..contract.likeness import Sets, Wide, has_features, unite_alike

_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """`images` stand in `groups` of two or more; `examples` are ids of the largest, ten each."""

    images: int
    groups: int
    examples: list[list[str]]


class Likeness:
    """Collects hashes, at 32 bytes an image, and groups them."""

    def __init__(self) -> None:
        self._ids = Wide()
        self._hashes = Wide()

    def add(self, image_id: str, perceptual_hash: str) -> None:
        value = int(perceptual_hash, 16)
        if has_features(value):
            self._ids.append(ulid_distance(FIRST, image_id))
            self._hashes.append(value)

    def near_duplicates(self) -> NearDuplicates:
        sets = Sets(len(self._hashes))
        unite_alike(self._hashes, sets)
        groups = sorted(sets.several(), key=lambda group: (-len(group), group[0]))
        examples = [
            [ulid_at(FIRST, self._ids[each]) for each in group[:_EXAMPLES]] for group in groups[:_EXAMPLES]
        ]
        return NearDuplicates(sum(map(len, groups)), len(groups), examples)
