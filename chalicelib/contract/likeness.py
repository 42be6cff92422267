"""Groups of images that look alike: hashes that differ in a few bits of 128.

`python -m bench.likeness FOLDER…` on 520 photographs (120 of raccoons, 400 of hands that show digits):
six bits find all copies at other sizes or as JPEG of quality 75, 99.6 % at quality 30, 99.4 % of those
10 % brighter, 95.6 % of those with 1 % cut off each side and 60 % with 2.5 %. Of 134,940 pairs of
different photographs the nearest are 8 bits apart.
"""

from array import array
from collections.abc import Iterator

BITS = 128
MAX_DISTANCE = 6
#: A picture of one colour, or nearly, has no features by which it could be told from another.
MIN_FEATURES = 8
#: Hashes that differ in six bits at most are equal in one of seven bands at least.
_BANDS = MAX_DISTANCE + 1
#: With how many of its followers in a sorted band a hash is compared; the limit of the work where
#: very many are equal in one band.
_WINDOW = 32
_HALF = (1 << 64) - 1
_ALL = (1 << BITS) - 1
_NUMBER_BITS = 32
_NUMBER = (1 << _NUMBER_BITS) - 1


def has_features(perceptual_hash: int) -> bool:
    """Whether likeness to it means anything."""
    return perceptual_hash.bit_count() >= MIN_FEATURES


class Wide:
    """A list of numbers of 128 bits, at 16 bytes each."""

    def __init__(self) -> None:
        self._high = array("Q")
        self._low = array("Q")

    def append(self, value: int) -> None:
        self._high.append(value >> 64)
        self._low.append(value & _HALF)

    def __len__(self) -> int:
        return len(self._low)

    def __getitem__(self, place: int) -> int:
        return self._high[place] << 64 | self._low[place]


class Sets:
    """Disjoint sets of the numbers below `size`, by their smallest members."""

    def __init__(self, size: int) -> None:
        self._parents = array("L", range(size))

    def unite(self, one: int, other: int) -> None:
        low, high = sorted((self._root(one), self._root(other)))
        self._parents[high] = low

    def several(self) -> Iterator[list[int]]:
        """The sets with two or more members, each sorted."""
        found: dict[int, list[int]] = {}
        for each in range(len(self._parents)):
            root = self._root(each)
            if root != each:
                found.setdefault(root, [root]).append(each)
        return iter(found.values())

    def _root(self, member: int) -> int:
        parents = self._parents
        while parents[member] != member:
            parents[member] = parents[parents[member]]
            member = parents[member]
        return member


def unite_alike(hashes: Wide, sets: Sets) -> None:
    """Unites the numbers of hashes that are alike, directly or by way of others."""
    representatives = _unite_equal(hashes, sets)
    for band in range(_BANDS):
        start, stop = band * BITS // _BANDS, (band + 1) * BITS // _BANDS
        _unite_similar(hashes, sets, representatives, start, stop)


def _unite_equal(hashes: Wide, sets: Sets) -> "array[int]":
    """Unites equal hashes, and returns one of each."""
    ordered = sorted(_numbered(hashes[each], each) for each in range(len(hashes)))
    different, last = array("L"), -1
    for each in ordered:
        if each >> _NUMBER_BITS == last:
            sets.unite(each & _NUMBER, different[-1])
        else:
            different.append(each & _NUMBER)
            last = each >> _NUMBER_BITS
    return different


def _unite_similar(hashes: Wide, sets: Sets, members: "array[int]", start: int, stop: int) -> None:
    """Unites those that are equal in the bits from `start` to `stop`, and similar in all."""
    turned = sorted(_numbered(_turned(hashes[each], start), each) for each in members)
    below_band = BITS - (stop - start) + _NUMBER_BITS
    for place, one in enumerate(turned):
        for other in turned[place + 1 : place + 1 + _WINDOW]:
            difference = one ^ other
            if difference >> below_band:
                break
            if (difference >> _NUMBER_BITS).bit_count() <= MAX_DISTANCE:
                sets.unite(one & _NUMBER, other & _NUMBER)


def _numbered(value: int, number: int) -> int:
    """Both in one integer, that sorts by the value: a pair would take three times the memory."""
    return value << _NUMBER_BITS | number


def _turned(value: int, places: int) -> int:
    """The bits from `places` on come first."""
    return (value << places | value >> (BITS - places)) & _ALL
