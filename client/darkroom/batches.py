"""Requests of thousands of labels, in parts that a request has room for."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .models import LabelsReport
from .models.data import LabelsSummary

#: A request may have 20,000 labels and 6 MB, and has 29 seconds to store them.
MOST, MOST_BYTES = 2000, 3_000_000


def batches(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The members of a mapping, as many at a time as a request may have."""
    batch: dict[str, Any] = {}
    room = MOST_BYTES
    for key, value in values.items():
        size = len(json.dumps([key, value]))
        if batch and (len(batch) == MOST or size > room):
            yield batch
            batch, room = {}, MOST_BYTES
        batch[key] = value
        room -= size
    if batch:
        yield batch


def joined(reports: Iterable[LabelsReport]) -> LabelsReport:
    """One report of several requests."""
    classes: Counter[str] = Counter()
    updated = failed = omitted = 0
    items = []
    for each in reports:
        classes.update(each.classes)
        updated += each.summary.updated
        failed += each.summary.failed
        omitted += each.summary.omitted
        items += each.items
    summary = LabelsSummary(updated=updated, failed=failed, omitted=omitted)
    return LabelsReport(summary=summary, items=items, classes=dict(sorted(classes.items())))
