"""Writes COCO: `annotations/instances_<split>.json` a split, `instances.json` for images without one."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

from chalicelib.contract.records import SplitName

from ..names import Named
from .splits import SPLITS


def documents(
    entries: Callable[[], Iterator[Named]], classes: Sequence[str]
) -> Iterator[tuple[str, Iterator[bytes]]]:
    present = {each.entry.split for each in entries()}
    for split in (None, *SPLITS):
        if split in present or not present:
            name = f"instances_{split}" if split else "instances"
            yield f"annotations/{name}.json", _written(entries, split, classes)


def _written(
    entries: Callable[[], Iterator[Named]], split: SplitName | None, classes: Sequence[str]
) -> Iterator[bytes]:
    ids = {name: number for number, name in enumerate(classes, start=1)}
    categories = [{"id": number, "name": name} for name, number in ids.items()]

    def chosen() -> Iterator[tuple[int, Named]]:
        return enumerate((each for each in entries() if each.entry.split == split), start=1)

    yield b'{"categories":' + _json(categories) + b',\n"images":['
    yield from _separated(_image_of(number, each) for number, each in chosen())
    yield b'],\n"annotations":['
    drawn = chain.from_iterable(_annotations_of(number, each, ids) for number, each in chosen())
    yield from _separated({"id": number, **each} for number, each in enumerate(drawn, start=1))
    yield b"]}\n"


def _image_of(number: int, named: Named) -> dict[str, Any]:
    return {"id": number, "file_name": named.name, "width": named.entry.width, "height": named.entry.height}


def _annotations_of(number: int, named: Named, ids: dict[str, int]) -> Iterator[dict[str, Any]]:
    label = named.entry.label
    if isinstance(label, str):
        yield {"image_id": number, "category_id": ids[label]}
        return
    for each in label:
        area = each["box"][2] * each["box"][3]
        place = {"image_id": number, "category_id": ids[each["label"]]}
        yield place | {"bbox": each["box"], "area": area, "iscrowd": 0}


def _separated(items: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    for number, item in enumerate(items):
        yield (b",\n" if number else b"\n") + _json(item)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
