"""Which split a name speaks of: train, val or test, as tools spell them."""

import re
from collections.abc import Iterable

from chalicelib.contract.records import SplitName

SPLITS: tuple[SplitName, ...] = ("train", "val", "test")
_WORDS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


def split_named(word: str) -> SplitName | None:
    return _WORDS.get(word.strip().casefold())


def split_of_document(path: str) -> SplitName | None:
    """`instances_val2017.json` and `valid/_annotations.coco.json` are of val.

    The part nearest to the end that names one decides; one that names two says nothing.
    """
    for part in reversed(path.split("/")):
        named = _named_in(re.findall("[a-z]+", part.casefold()))
        if named:
            return named.pop() if len(named) == 1 else None
    return None


def _named_in(words: Iterable[str]) -> set[SplitName]:
    return {_WORDS[word] for word in words if word in _WORDS}
