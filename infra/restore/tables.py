"""The rows of a stage in a file, and back: for a drill, and for the embedded AWS, which has no backups."""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from typing import IO, Any

from chalicelib.contract.tables import KEYS

_A_CALL = 25


def export(client: Any, prefix: str, file: IO[str]) -> int:
    """Writes every row of every table, a JSON line each; returns how many.

    Not of one moment: while it reads, nobody may write. AWS's own backups are.
    """
    count = 0
    for table in KEYS:
        for item in _scan(client, prefix + table):
            file.write(json.dumps([table, item], default=_encoded) + "\n")
            count += 1
    return count


def restore(client: Any, prefix: str, file: Iterable[str]) -> int:
    """Makes the tables what an export has, and nothing else; returns how many rows it has."""
    rows: dict[str, list[Any]] = {table: [] for table in KEYS}
    for line in file:
        table, item = json.loads(line, object_hook=_decoded)
        rows[table].append(item)
    for table, items in rows.items():
        kept = {_key(table, each) for each in items}
        found = (_key_of(table, each) for each in _scan(client, prefix + table))
        gone = [each for each in found if _key(table, each) not in kept]
        _write(client, prefix + table, [{"DeleteRequest": {"Key": each}} for each in gone])
        _write(client, prefix + table, [{"PutRequest": {"Item": each}} for each in items])
    return sum(map(len, rows.values()))


def _scan(client: Any, table: str) -> Iterator[Any]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _write(client: Any, table: str, requests: list[Any]) -> None:
    while requests:
        some, requests = requests[:_A_CALL], requests[_A_CALL:]
        left = client.batch_write_item(RequestItems={table: some})["UnprocessedItems"]
        requests += left.get(table, [])


def _key_of(table: str, item: Any) -> Any:
    return {name: item[name] for name in KEYS[table]}


def _key(table: str, item: Any) -> str:
    return json.dumps(_key_of(table, item), sort_keys=True)


def _encoded(value: bytes) -> dict[str, str]:
    return {"base64": b64encode(value).decode()}


def _decoded(value: dict[str, Any]) -> Any:
    return b64decode(value["base64"]) if value.keys() == {"base64"} else value
