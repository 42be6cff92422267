"""What moto does for every request in time or memory that grows, done in such that doesn't.

Importing this module changes moto; nothing but the time and the memory changes.
"""

import copy
from collections import defaultdict
from typing import Any

from flask import Flask
from moto.core.common_models import BaseModel
from moto.core.serialize import JSONSerializer
from moto.core.utils import unix_time
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.sqs.models import Message, SQSBackend


class Dispatcher(DomainDispatcherApplication):
    """Remembers which of moto's services a credential scope means; moto lists its folders each time."""

    def __init__(self, create_app: Any) -> None:
        super().__init__(create_app)
        self._known: dict[str, Flask] = {}

    def get_application(self, environ: dict[str, Any]) -> Flask:
        # Credential=<key>/<date>/<region>/<service>/aws4_request, …; S3's signed forms and URLs have none.
        scope = environ.get("HTTP_AUTHORIZATION", "").partition(",")[0]
        if environ.get("PATH_INFO", "").startswith("/moto-api"):
            return super().get_application(environ)
        if scope not in self._known:
            self._known[scope] = super().get_application(environ)
        return self._known[scope]


def _snapshot(table: Table, _: dict[int, Any]) -> Table:
    """A copy of a table for a transaction to go back to.

    moto copies every item of it. Writes replace items, except that an update changes one in place:
    so those are copied, and the others shared.
    """
    twin = copy.copy(table)
    rows = {key: dict(row) if table.has_range_key else row for key, row in table.items.items()}
    twin.items = defaultdict(dict, rows)
    for key in table.__dict__.pop("_updated", ()):
        hash_key = DynamoType(key[table.hash_key_attr])
        if not table.has_range_key:
            if hash_key in rows:
                twin.items[hash_key] = copy.deepcopy(rows[hash_key])
            continue
        range_key = DynamoType(key[table.range_key_attr])
        if range_key in rows.get(hash_key, {}):
            twin.items[hash_key][range_key] = copy.deepcopy(rows[hash_key][range_key])
    return twin


def _announce_updates(backend: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    for update in (each["Update"] for each in transact_items if "Update" in each):
        table = backend.tables.get(update["TableName"])
        if table is not None:
            table.__dict__.setdefault("_updated", []).append(update["Key"])
    _transact(backend, transact_items)


def _one_partition(table: Table, hash_key: DynamoType, *others: Any, **named: Any) -> Any:
    """A query of the table itself; moto sorts all items of all partitions for it, by slow comparisons."""
    if others[_INDEX_NAME] is None and table.has_range_key:
        items = table.items.get(hash_key, {}).values()
        ordered = sorted(items, key=lambda item: item.range_key.cast_value)
        # Nobody else asks meanwhile: DynamoDB gets one request at a time (front.py).
        table.all_items = lambda: ordered  # type: ignore[method-assign]
    try:
        return _query(table, hash_key, *others, **named)
    finally:
        table.__dict__.pop("all_items", None)


def _projected(item: Item, paths: list[list[str]]) -> Item:
    """Some attributes of an item; moto converts all of them once for each that is wanted."""
    if any(len(path) != 1 or "[" in path[0] for path in paths):
        return _project(item, paths)
    twin = copy.copy(item)
    twin.attrs = type(item.attrs)()
    dict.update(twin.attrs, {name: item.attrs[name] for [name] in paths if name in item.attrs})
    return twin


def _is_retained(backend: SQSBackend, queue_name: str, message: Message) -> bool:
    """Whether a queue still keeps a message; moto counts all messages of the queue for each of them."""
    seconds = backend.get_queue(queue_name).message_retention_period  # type: ignore[attr-defined]
    return bool(seconds + (message.sent_timestamp or 0) / 1000 > unix_time())


def _untracked(cls: type[BaseModel], *_: Any, **__: Any) -> BaseModel:
    """A new model; moto keeps each for its dashboard, so that no row read and no object deleted ever goes."""
    return object.__new__(cls)


#: The place of index_name among the others.
_INDEX_NAME = 6
_query = Table.query
Table.query = _one_partition  # type: ignore[method-assign,assignment]
_project = Item.project
Item.project = _projected  # type: ignore[method-assign,assignment]


def _attribute(serializer: JSONSerializer, serialized: Any, value: Any, shape: Any, key: str) -> None:
    """An attribute value as DynamoDB sends it; moto looks by reflection for each type that it may have."""
    plain = _plain(value) if shape.name == "AttributeValue" else None
    if plain is None:
        _structure(serializer, serialized, value, shape, key)
    else:
        serialized[key] = plain


def _plain(value: Any) -> Any:
    """A value in the form of the JSON; None where it is, or has in it, another kind than most."""
    [(kind, content)] = ((value.type, value.value),) if isinstance(value, DynamoType) else value.items()
    match kind:
        case "S" | "N" if isinstance(content, str):
            return {kind: content}
        case "M":
            members = {name: _plain(each) for name, each in content.items()}
            return None if None in members.values() else {kind: members}
        case "L":
            values = [_plain(each) for each in content]
            return None if None in values else {kind: values}
        case "BOOL" if isinstance(content, bool):
            return {kind: content}
    return None


_structure = JSONSerializer._serialize_type_structure
JSONSerializer._serialize_type_structure = _attribute  # type: ignore[assignment,method-assign]
_transact = DynamoDBBackend.transact_write_items
DynamoDBBackend.transact_write_items = _announce_updates  # type: ignore[assignment,method-assign]
Table.__deepcopy__ = _snapshot  # type: ignore[attr-defined]
BaseModel.__new__ = _untracked  # type: ignore[method-assign]
SQSBackend.is_message_valid_based_on_retention_period = _is_retained  # type: ignore[assignment,method-assign]
