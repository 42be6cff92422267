"""Keeping images for the training, the validation or the test part of a data set."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..contract.records import SplitName
from .data_ports import Images
from .directory import Directory, RefusedError
from .labelling import LabelFailure


@dataclass(frozen=True, slots=True)
class SplitReport:
    updated: int
    failures: list[LabelFailure]


class Splits:
    def __init__(self, images: Images) -> None:
        self._images = images

    def store(self, project_id: str, splits: Mapping[str, SplitName | None]) -> SplitReport:
        """Stores what can be stored; whatever can't is reported by its key.

        Args:
            project_id: whose images they are.
            splits: image id or file name -> a split, or None to take the image's away.
        """
        directory = Directory.of(self._images, project_id, splits)
        keys: dict[str, str] = {}  # image id -> the key that named it first
        failures: list[LabelFailure] = []
        for key, split in splits.items():
            try:
                image_id = directory.find(key).image_id
            except RefusedError as refused:
                failures.append(LabelFailure(key, refused.code, refused.message))
                continue
            if splits[keys.setdefault(image_id, key)] != split:
                message = "another key of this request gives the same image another split"
                failures.append(LabelFailure(key, "conflicting-split", message))
        held = self._images.set_splits(project_id, {each: splits[key] for each, key in keys.items()})
        failures += [
            LabelFailure(key, "image-changed", "the image has just changed, or AWS is busy: try again")
            for key, holds in zip(keys.values(), held, strict=True)
            if not holds
        ]
        return SplitReport(len(splits) - len(failures), failures)
