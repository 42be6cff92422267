"""The classes that labels name: renaming them, and merging several into one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ..contract.errors import FieldError, UnavailableError, UnprocessableError
from ..contract.ids import FIRST, LAST, ulid_at
from ..contract.records import Label, LabelValue
from .data_ports import Labels
from .names import class_name_problem, composed
from .ports import Clock
from .times import rfc3339

#: Labels that one request changes; with more of them the answer has a cursor.
MAX_RENAMED = 20_000
_ATTEMPTS = 5


def classes_of(label: LabelValue) -> set[str]:
    """The classes that a label names."""
    return {label} if isinstance(label, str) else {each["label"] for each in label}


@dataclass(frozen=True, slots=True)
class Renamed:
    """`classes` counts the images that were changed, by their new classes; None: no more are left."""

    updated: int
    classes: dict[str, int]
    cursor: str | None


class ClassNames:
    def __init__(self, labels: Labels, clock: Clock) -> None:
        self._labels = labels
        self._clock = clock

    def rename(self, project_id: str, renames: Mapping[str, str], after: str | None = None) -> Renamed:
        """Renames classes in every label, all at once: two names may be exchanged.

        A label that somebody changes at the same moment is read again, never overwritten.

        Args:
            project_id: whose labels they are.
            renames: class -> its new name; several may get the same.
            after: only labels of images with ids after this one.

        Raises:
            UnprocessableError: a new name can't be that of a class.
            UnavailableError: some labels kept changing, or AWS is busy.
        """
        renames = _checked(renames)
        pending, cursor = self._affected(project_id, renames, after)
        classes: Counter[str] = Counter()
        updated = 0
        for _ in range(_ATTEMPTS):
            changes = [(each, self._renamed(each, renames)) for each in pending]
            held = self._labels.replace(changes)
            updated += sum(held)
            stored = (new for (_, new), holds in zip(changes, held, strict=True) if holds)
            classes.update(name for each in stored for name in classes_of(each.label))
            missed = [each for each, holds in zip(pending, held, strict=True) if not holds]
            pending = self._read_again(project_id, missed, renames)
            if not pending:
                return Renamed(updated, dict(sorted(classes.items())), cursor)
        raise UnavailableError("some labels keep changing", hint="Try again.", retry_after_seconds=5)

    def _affected(
        self, project_id: str, renames: Mapping[str, str], after: str | None
    ) -> tuple[list[Label], str | None]:
        found: list[Label] = []
        first = ulid_at(after, 1) if after else FIRST
        for label in self._labels.all(project_id, first, LAST) if first <= LAST else ():
            if not renames.keys().isdisjoint(classes_of(label.label)):
                found.append(label)
                if len(found) == MAX_RENAMED:
                    return found, label.image_id
        return found, None

    def _read_again(
        self, project_id: str, missed: Sequence[Label], renames: Mapping[str, str]
    ) -> list[Label]:
        ids = (each.image_id for each in missed)
        found = (self._labels.between(project_id, each, each).get(each) for each in ids)
        return [each for each in found if each and not renames.keys().isdisjoint(classes_of(each.label))]

    def _renamed(self, label: Label, renames: Mapping[str, str]) -> Label:
        return replace(label, label=_mapped(label.label, renames), updated_at=rfc3339(self._clock.now()))


def _mapped(label: LabelValue, renames: Mapping[str, str]) -> LabelValue:
    if isinstance(label, str):
        return renames.get(label, label)
    return [{**each, "label": renames.get(each["label"], each["label"])} for each in label]


def _checked(renames: Mapping[str, str]) -> dict[str, str]:
    """In composed form, without those that change nothing."""
    pairs: dict[str, str] = {}
    wrong = []
    for old, new in renames.items():
        name, problem = composed(new.strip()), class_name_problem(new)
        if pairs.setdefault(composed(old), name) != name:
            problem = problem or "the same class, typed in another form of Unicode, gets another name"
        if problem:
            wrong.append(FieldError(f"/renames/{old.replace('~', '~0').replace('/', '~1')}", problem))
    if wrong:
        raise UnprocessableError("some new names can't be classes", code="bad-class", errors=wrong)
    return {old: new for old, new in pairs.items() if old != new}
