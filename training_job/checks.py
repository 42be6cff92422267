"""What is found about the data before the device trains: each a warning with a count and examples."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from chalicelib.contract.manifest import Entry
from chalicelib.contract.records import Box
from chalicelib.contract.results import DataWarning

from .split import Split

_EXAMPLES = 10
#: Images a class below which its figures are rough.
_FEW = 10
#: Pixels that a box may leave its image by: tools round.
_TOLERANCE = 0.5


def data_warnings(split: Split) -> list[DataWarning]:
    """What a user should know of classes, of images that look alike, and of boxes."""
    return [*class_warnings(split), *likeness_warnings(split), *box_warnings(split)]


def unreadable_images(lost: Sequence[Entry]) -> list[DataWarning]:
    """Images that were dropped, since they can't be decoded."""
    words = "images can't be decoded and were left out. Upload them again as JPEG or PNG, or delete them."
    return _warning("unreadable-images", words, _file_names(lost))


def class_warnings(split: Split) -> list[DataWarning]:
    """Classes with few images, or with none on one side."""
    train, val, test = (_counts(part) for part in (split.train, split.val, split.test))
    total = train + val + test
    single = {name for name, count in total.items() if count == 1}
    few = {name for name, count in (train + val).items() if count < _FEW and name in train and name in val}
    return [
        *_warning("single-image-classes", "classes have a single image.", single),
        *_warning(
            "classes-not-trained",
            "classes are not learnt: all their images are kept for validation or test.",
            total.keys() - train.keys(),
        ),
        *_warning(
            "classes-not-validated", "classes have no image to validate with.", train.keys() - val.keys()
        ),
        *_warning(
            "small-classes", f"classes have fewer than {_FEW} images, so their figures are rough.", few
        ),
    ]


def likeness_warnings(split: Split) -> list[DataWarning]:
    """Images that are copies of others, or nearly, and what that spoils."""
    names = ("train", split.train), ("val", split.val), ("test", split.test)
    home = {entry.image_id: name for name, part in names for entry in part}
    across = [group for group in split.alike if len({home[each.image_id] for each in group}) > 1]
    conflicts = [group for group in split.alike if len({str(each.label) for each in group}) > 1]
    same = Counter(each.sha256 for group in split.alike for each in group if each.sha256)
    copies = [each for group in split.alike for each in group if same[each.sha256] > 1]
    return [
        *_warning("duplicates", "images have the same bytes as another one.", _file_names(copies)),
        *_warning(
            "near-duplicates",
            "images look like another one; such images are kept on one side of the split.",
            _members(split.alike),
        ),
        *_warning(
            "duplicates-across-splits",
            "images look like one in another split that was given: the figures are too good. "
            "Give such images one split.",
            _members(across),
        ),
        *_warning(
            "label-conflicts",
            "images look like one with another label. Check their labels.",
            _members([group for group in conflicts if all(isinstance(each.label, str) for each in group)]),
        ),
    ]


def box_warnings(split: Split) -> list[DataWarning]:
    """Boxes that training cuts or leaves out."""
    entries = [*split.train, *split.val, *split.test]
    return [
        *_boxes("boxes-outside", "boxes leave their image and were cut at its border.", entries, _is_outside),
        *_boxes("boxes-without-area", "boxes have no area and were left out.", entries, _is_empty),
    ]


def usable_boxes(entry: Entry) -> list[tuple[str, Box]]:
    """The objects of an image to train on: class and box, cut at the borders, those of no area left out."""
    boxes = [(each["label"], _cut(each["box"], entry)) for each in _objects(entry)]
    return [(label, box) for label, box in boxes if box[2] > 0 and box[3] > 0]


def _cut(box: Box, entry: Entry) -> Box:
    left, top, width, height = box
    x, y = max(left, 0.0), max(top, 0.0)
    return [x, y, min(left + width, entry.width) - x, min(top + height, entry.height) - y]


def _is_outside(box: Box, entry: Entry) -> bool:
    cut = _cut(box, entry)
    return any(abs(one - other) > _TOLERANCE for one, other in zip(box, cut, strict=True))


def _is_empty(box: Box, _: Entry) -> bool:
    return box[2] <= 0 or box[3] <= 0


def _boxes(
    code: str, words: str, entries: Iterable[Entry], is_so: Callable[[Box, Entry], bool]
) -> list[DataWarning]:
    counts = [(each, sum(is_so(found["box"], each) for found in _objects(each))) for each in entries]
    names = [each.file_name for each, count in counts if count]
    return _warning(code, words, names, sum(count for _, count in counts))


def _objects(entry: Entry) -> list[dict[str, Any]]:
    return [] if isinstance(entry.label, str) else entry.label


def _counts(entries: Iterable[Entry]) -> Counter[str]:
    """Images that show a class, by class."""
    return Counter(name for entry in entries for name in entry.classes)


def _file_names(entries: Iterable[Entry]) -> list[str]:
    return [each.file_name for each in entries]


def _members(groups: Iterable[Sequence[Entry]]) -> list[str]:
    return [each.file_name for group in groups for each in group]


def _warning(code: str, words: str, names: Collection[str], count: int | None = None) -> list[DataWarning]:
    """None or one: of `count` things, or as many as there are names."""
    if not names:
        return []
    number = count or len(names)
    examples = (names if isinstance(names, list) else sorted(names))[:_EXAMPLES]
    return [DataWarning(code=code, message=f"{number} {words}", count=number, examples=examples)]
