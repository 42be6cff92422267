"""The pages of a query, over rows that are kept as the JSON of their items.

A hundred thousand images take some tens of megabytes so, and a page without a filter costs no parsing.
"""

import json
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from chalicelib.contract.tables import KEYS

from .expressions import Item, comparable, find, path_of, predicate

PAGE_BYTES = 1_000_000
_SORTED_BY = re.compile(
    r"(?P<name>#\w+) *(?:(?P<sign>[<>]=?|=)|BETWEEN) *(?P<low>:\w+)(?: AND (?P<high>:\w+))?"
)
Request = Mapping[str, Any]


@dataclass(slots=True)
class Partition:
    """The rows of one partition key: sort key -> (JSON, bytes that DynamoDB counts)."""

    rows: dict[Any, tuple[bytes, int]] = field(default_factory=dict)
    order: list[Any] = field(default_factory=list)
    is_sorted: bool = True
    version: int = 0

    def put(self, key: Any, row: tuple[bytes, int]) -> None:
        if key not in self.rows:
            self.is_sorted = self.is_sorted and (not self.order or self.order[-1] < key)
            self.order.append(key)
        self.rows[key] = row
        self.version += 1

    def remove(self, key: Any) -> None:
        self.version += self.rows.pop(key, None) is not None

    def keys(self) -> list[Any]:
        """Sorted; those of removed rows may still be among them."""
        if not self.is_sorted or len(self.order) > 2 * len(self.rows) + 100:
            self.order, self.is_sorted = sorted(self.rows), True
        return self.order


def page(request: Request, partition: Partition) -> bytes:
    """DynamoDB's answer to one call of a query."""
    return written(request, *_evaluated(request, partition))


def written(request: Request, rows: list[bytes], last: bytes | None) -> bytes:
    """The answer with these rows, as far as they are to be shown; `last` where there are more."""
    scanned = len(rows)
    if "FilterExpression" in request or "ProjectionExpression" in request:
        rows = list(_shown(request, rows))
    answer = b'{"Items":[' + b",".join(rows) + b'],"Count":%d,"ScannedCount":%d' % (len(rows), scanned)
    if last is not None:
        answer += b',"LastEvaluatedKey":' + json.dumps(_key_item(request, last)).encode()
    return answer + b"}"


def _evaluated(request: Request, partition: Partition) -> tuple[list[bytes], bytes | None]:
    """The rows that one call reads, and the last of them where there are more."""
    found: list[bytes] = []
    size, last = 0, None
    most = request.get("Limit", len(partition.rows) + 1)
    for key in _range(request, partition):
        row = partition.rows.get(key)
        if row is None:
            continue
        if len(found) >= most or (found and size + row[1] > PAGE_BYTES):
            return found, last
        last = row[0]
        found.append(last)
        size += row[1]
    return found, last if len(found) == most else None


def _range(request: Request, partition: Partition) -> Iterable[Any]:
    """The sort keys that a query asks for, from where it goes on."""
    keys, values = partition.keys(), request["ExpressionAttributeValues"]
    first, end = 0, len(keys)
    conditions = list(_SORTED_BY.finditer(request["KeyConditionExpression"]))
    for each in conditions[1:]:
        low = comparable(values[each["low"]])[1]
        high = comparable(values[each["high"]])[1] if each["high"] and not each["sign"] else low
        match each["sign"]:
            case None | "=":
                first, end = bisect_left(keys, low), bisect_right(keys, high)
            case ">" | ">=":
                first = bisect_right(keys, low) if each["sign"] == ">" else bisect_left(keys, low)
            case "<" | "<=":
                end = bisect_left(keys, low) if each["sign"] == "<" else bisect_right(keys, low)
    descending = not request.get("ScanIndexForward", True)
    if start := request.get("ExclusiveStartKey"):
        after = key_of(request["TableName"], start)[1]
        if descending:
            end = min(end, bisect_left(keys, after))
        else:
            first = max(first, bisect_right(keys, after))
    places = range(first, end)
    return (keys[place] for place in (reversed(places) if descending else places))


def _shown(request: Request, rows: list[bytes]) -> Iterator[bytes]:
    holds: Callable[[Item], bool] = lambda _: True  # noqa: E731
    if "FilterExpression" in request:
        holds = predicate(request["FilterExpression"], *aliases(request))
    for raw in rows:
        item = json.loads(raw)
        if holds(item):
            yield json.dumps(projected(item, request), separators=(",", ":")).encode()


def projected(item: Item, request: Request) -> Item:
    if "ProjectionExpression" not in request:
        return item
    names = request["ExpressionAttributeNames"]
    paths = [path_of(each.strip(), names) for each in request["ProjectionExpression"].split(",")]
    return {path[0]: item[path[0]] for path in paths if find(item, path) is not None}


def partition_of(request: Request) -> Any:
    """The partition key that a query names first."""
    found = _SORTED_BY.match(request["KeyConditionExpression"])
    if found is None:
        raise ValueError(request["KeyConditionExpression"])
    return comparable(request["ExpressionAttributeValues"][found["low"]])[1]


def aliases(request: Request) -> tuple[dict[str, str], Item]:
    return request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})


@cache
def _key_names(table: str) -> tuple[str, ...]:
    return next(names for name, names in KEYS.items() if table.endswith(name))


def _key_item(request: Request, raw: bytes) -> Item:
    item = json.loads(raw)
    return {name: item[name] for name in _key_names(request["TableName"])}


def key_of(table: str, item: Item) -> tuple[Any, Any]:
    first, *rest = _key_names(table)
    return _sortable(item[first]), _sortable(item[rest[0]]) if rest else None


def _sortable(attribute: Mapping[str, Any]) -> Any:
    return attribute["S"] if "S" in attribute else comparable(attribute)[1]
