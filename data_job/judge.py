"""Whether what an annotation says fits the project and the image."""

from collections.abc import Sequence
from typing import Any

from chalicelib.contract.records import Image, LabelValue, TaskType
from chalicelib.services.data_ports import Known
from chalicelib.services.directory import RefusedError
from chalicelib.services.labelling import checked, that_fit

from .annotations import Found, FoundBox

#: A class, or boxes.
Value = str | Sequence[FoundBox]


def fitting(found: Found, task_type: TaskType) -> Value | None:
    """What an annotation says, in the form that the project's task has; None is "not labelled".

    Raises:
        RefusedError: a project of this task can't use it; `no-boxes` or `several-classes`.
    """
    if task_type == "detection":
        if found.boxes is None and found.label is not None:
            message = "a class for the whole image, where this project takes boxes: draw them"
            raise RefusedError("no-boxes", message)
        return found.boxes
    if found.label is not None or found.boxes is None:
        return found.label
    classes = {each.label for each in found.boxes}
    if len(classes) > 1:
        raise RefusedError(
            "several-classes",
            f"boxes of {len(classes)} classes, where this project takes one an image: keep one",
        )
    return next(iter(classes), None)


def stored_value(value: Value, image: Image) -> LabelValue:
    """What is stored as an accepted image's label; boxes in its pixels.

    Raises:
        RefusedError: a box leaves the image, or has no area, and the message says which; or they are
            more than a row has room for.
    """
    width, height = image.width or 0, image.height or 0
    known = Known(image.image_id, (), width, height)
    if isinstance(value, str):
        return checked("classification", value, known)
    return that_fit([_checked_box(number, each, known) for number, each in enumerate(value, 1)])


def _checked_box(number: int, found: FoundBox, known: Known) -> dict[str, Any]:
    box = found.in_pixels(known.width, known.height)
    label = {"label": found.label, "box": box}
    try:
        checked("detection", [label], known)
    except RefusedError as error:
        shown = ", ".join(f"{side:g}" for side in box)
        message = f"box {number} ({shown}): {error.message}; mend or remove it"
        raise RefusedError(error.code, message) from error
    return label
