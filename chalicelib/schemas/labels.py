"""Labels, in and out."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import Field

from ..contract.records import LabelValue, SplitName
from ..services.classes import Renamed
from ..services.gallery import Labelled
from ..services.labelling import LabelFailure, LabelReport
from ..services.names import MAX_CLASS_NAME
from ..services.splits import SplitReport
from .base import Answer, Request, Ulid

#: Written 1,000 a second in one project's partition, within the 29 seconds of a request.
MAX_LABELS = 20_000
MAX_SPLITS = 10_000
MAX_RENAMES = 1000
MAX_PROBLEM_BYTES = 5_000_000


class BoxLabel(Answer):
    """An object in an image; `box` is [x, y, width, height] in pixels of the upright image."""

    label: str
    box: Annotated[list[float], Field(min_length=4, max_length=4)]


_LABELS_SCHEMA: Any = {
    "additionalProperties": {
        "oneOf": [
            {"type": "string", "description": "Classification: the class."},
            {
                "type": "array",
                "description": "Detection: the objects; [] says that there is none.",
                "items": BoxLabel.model_json_schema(),
            },
        ]
    }
}


class LabelsCreate(Request):
    """Image id or file name -> label. Each is checked by itself: a bad one is reported by its key."""

    labels: Annotated[
        dict[str, Any], Field(min_length=1, max_length=MAX_LABELS, json_schema_extra=_LABELS_SCHEMA)
    ]


class LabelProblem(Answer):
    key: str
    code: str
    message: str


class LabelsSummary(Answer):
    """`omitted` failures didn't fit into the answer: mend the others and send it again."""

    updated: int
    failed: int
    omitted: int = 0


class LabelsAnswer(Answer):
    """`items` are the failures only; `classes` counts the images labelled by this request."""

    summary: LabelsSummary
    items: list[LabelProblem]
    classes: dict[str, int]

    @classmethod
    def of(cls, report: LabelReport) -> Self:
        items, failed = _that_fit(report.failures), len(report.failures)
        summary = LabelsSummary(updated=report.updated, failed=failed, omitted=failed - len(items))
        return cls(summary=summary, items=items, classes=report.classes)


def _that_fit(failures: Iterable[LabelFailure]) -> list[LabelProblem]:
    """The first failures, as many as an answer of Lambda (6 MB) has room for."""
    room, found = MAX_PROBLEM_BYTES, []
    for each in failures:
        # JSON can spell half a surrogate pair, but no answer in UTF-8 can carry it.
        key = each.key.encode(errors="replace").decode()
        room -= len(json.dumps([key, each.code, each.message])) + 32  # the members' names
        if room < 0:
            break
        found.append(LabelProblem(key=key, code=each.code, message=each.message))
    return found


class SplitsUpdate(Request):
    """Image id or file name -> the split that the image is kept for; null takes it away."""

    splits: Annotated[dict[str, SplitName | None], Field(min_length=1, max_length=MAX_SPLITS)]


class SplitsAnswer(Answer):
    """`items` are the failures only."""

    summary: LabelsSummary
    items: list[LabelProblem]

    @classmethod
    def of(cls, report: SplitReport) -> Self:
        items, failed = _that_fit(report.failures), len(report.failures)
        summary = LabelsSummary(updated=report.updated, failed=failed, omitted=failed - len(items))
        return cls(summary=summary, items=items)


_RENAMES_SCHEMA: Any = {
    "additionalProperties": {"type": "string", "minLength": 1, "maxLength": MAX_CLASS_NAME}
}


class ClassesRename(Request):
    """Class -> its new name, all at once; `cursor` is the nextCursor of the same request before."""

    renames: Annotated[
        dict[str, str], Field(min_length=1, max_length=MAX_RENAMES, json_schema_extra=_RENAMES_SCHEMA)
    ]
    cursor: Ulid | None = None


class ClassesRenamedAnswer(Answer):
    """`classes` counts the images that were changed; with nextCursor, send the same again with `cursor`."""

    updated: int
    classes: dict[str, int]
    next_cursor: str | None

    @classmethod
    def of(cls, renamed: Renamed) -> Self:
        return cls(updated=renamed.updated, classes=renamed.classes, next_cursor=renamed.cursor)


class LabelAnswer(Answer):
    image_id: str
    file_name: str | None = None
    label: LabelValue
    updated_at: str

    @classmethod
    def of(cls, labelled: Labelled) -> Self:
        label = labelled.label
        return cls(
            image_id=label.image_id,
            file_name=labelled.file_name,
            label=label.label,
            updated_at=label.updated_at,
        )
