"""DynamoDB in memory: the operations and limits that Darkroom's adapters meet."""

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from threading import RLock
from typing import Any

from chalicelib.contract.tables import ACTIVE_SESSIONS, PROJECTS_BY_USER, REMOVING_PROJECTS

from .expressions import Item, apply, predicate
from .pages import Partition, Request, aliases, key_of, page, partition_of, projected, written

ITEM_BYTES = 400_000
#: index -> what its rows are sorted by
_INDEXES = {PROJECTS_BY_USER: "ProjectID", ACTIVE_SESSIONS: "StartTime", REMOVING_PROJECTS: "DeletedAt"}
_ANSWERS_KEPT = 256


class RefusedError(Exception):
    """DynamoDB says no, in the words of its API."""

    def __init__(self, code: str, **body: Any) -> None:
        super().__init__(code)
        self.body = json.dumps({"__type": f"com.amazonaws.dynamodb#{code}", "message": code} | body).encode()


class Tables:
    """Answers the JSON of a request with the JSON of DynamoDB's answer."""

    def __init__(self) -> None:
        self._partitions: dict[tuple[str, Any], Partition] = {}
        self._lock = RLock()
        #: Answers to costly queries, so that a server's work isn't taken for the client's.
        self._answers: OrderedDict[tuple[bytes, int], bytes] = OrderedDict()

    def answer(self, operation: str, body: bytes) -> bytes:
        """Raises `RefusedError` where DynamoDB would answer with an error."""
        with self._lock:
            if operation == "Query":
                return self._query(body)
            handlers: dict[str, Callable[[Request], Any]] = {
                "GetItem": self._get_item,
                "PutItem": self._put_item,
                "UpdateItem": self._update_item,
                "DeleteItem": self._delete_item,
                "BatchGetItem": self._batch_get_item,
                "BatchWriteItem": self._batch_write_item,
                "TransactWriteItems": self._transact_write_items,
            }
            return json.dumps(handlers[operation](json.loads(body)), separators=(",", ":")).encode()

    def put(self, table: str, items: Iterable[Item]) -> None:
        """Fills a table without a call."""
        with self._lock:
            for each in items:
                self._store(table, each)

    def items(self, table: str) -> Iterator[Item]:
        """Everything that is in a table."""
        for (name, _), partition in list(self._partitions.items()):
            if name == table:
                yield from (json.loads(raw) for raw, _ in list(partition.rows.values()))

    def size(self, table: str, partition: str, first: str, last: str) -> int:
        """Bytes, as DynamoDB counts them, of the rows between two sort keys."""
        rows = self._partition(table, partition).rows
        return sum(size for key, (_, size) in rows.items() if first <= key <= last)

    def count(self, table: str, partition: str) -> int:
        """The rows of a partition."""
        return len(self._partition(table, partition).rows)

    def _get_item(self, request: Request) -> Any:
        item = self._find(request["TableName"], request["Key"])
        return {"Item": item} if item else {}

    def _put_item(self, request: Request) -> Any:
        self._check(request, request["Item"])
        self._store(request["TableName"], request["Item"])
        return {}

    def _update_item(self, request: Request) -> Any:
        self._check(request, request["Key"])
        self._change(request)
        return {}

    def _delete_item(self, request: Request) -> Any:
        self._check(request, request["Key"])
        self._remove(request["TableName"], request["Key"])
        return {}

    def _batch_get_item(self, request: Request) -> Any:
        keys = [(table, key) for table, wanted in request["RequestItems"].items() for key in wanted["Keys"]]
        _limit(keys, 100)
        answers: dict[str, list[Item]] = {table: [] for table in request["RequestItems"]}
        for table, key in keys:
            if item := self._find(table, key):
                answers[table].append(projected(item, request["RequestItems"][table]))
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _batch_write_item(self, request: Request) -> Any:
        writes = [(table, write) for table, asked in request["RequestItems"].items() for write in asked]
        _limit(
            [
                (t, key_of(t, w["PutRequest"]["Item"] if "PutRequest" in w else w["DeleteRequest"]["Key"]))
                for t, w in writes
            ],
            25,
        )
        for table, write in writes:
            if "PutRequest" in write:
                self._store(table, write["PutRequest"]["Item"])
            else:
                self._remove(table, write["DeleteRequest"]["Key"])
        return {"UnprocessedItems": {}}

    def _transact_write_items(self, request: Request) -> Any:
        actions = [next(iter(each.items())) for each in request["TransactItems"]]
        _limit([(each["TableName"], key_of(each["TableName"], _subject(each))) for _, each in actions], 100)
        held = [self._holds(each, _subject(each)) for _, each in actions]
        if not all(held):
            reasons = [{"Code": "None" if each else "ConditionalCheckFailed"} for each in held]
            raise RefusedError("TransactionCanceledException", CancellationReasons=reasons)
        for kind, each in actions:
            match kind:
                case "Put":
                    self._store(each["TableName"], each["Item"])
                case "Update":
                    self._change(each)
                case "Delete":
                    self._remove(each["TableName"], each["Key"])
        return {}

    def _check(self, request: Request, subject: Item) -> None:
        if not self._holds(request, subject):
            raise RefusedError("ConditionalCheckFailedException")

    def _holds(self, request: Request, subject: Item) -> bool:
        if "ConditionExpression" not in request:
            return True
        item = self._find(request["TableName"], subject) or {}
        return predicate(request["ConditionExpression"], *aliases(request))(item)

    def _change(self, request: Request) -> None:
        item = self._find(request["TableName"], request["Key"]) or dict(request["Key"])
        self._store(request["TableName"], apply(request["UpdateExpression"], *aliases(request), item))

    def _find(self, table: str, subject: Item) -> Item | None:
        partition, sort = key_of(table, subject)
        row = self._partition(table, partition).rows.get(sort)
        return json.loads(row[0]) if row else None

    def _store(self, table: str, item: Item) -> None:
        size = sum(len(name.encode()) + _size(value) for name, value in item.items())
        if size > ITEM_BYTES:
            raise RefusedError("ValidationException")
        partition, sort = key_of(table, item)
        raw = json.dumps(item, separators=(",", ":")).encode()
        self._partition(table, partition).put(sort, (raw, size))

    def _remove(self, table: str, key: Item) -> None:
        partition, sort = key_of(table, key)
        self._partition(table, partition).remove(sort)

    def _partition(self, table: str, key: Any) -> Partition:
        return self._partitions.setdefault((table, key), Partition())

    def _query(self, body: bytes) -> bytes:
        request = json.loads(body)
        if "IndexName" in request:
            return self._query_index(request)
        partition = self._partition(request["TableName"], partition_of(request))
        key = body, partition.version
        if key in self._answers:
            return self._answers[key]
        answer = page(request, partition)
        if "FilterExpression" in request or "ProjectionExpression" in request:
            self._answers[key] = answer
            if len(self._answers) > _ANSWERS_KEPT:
                self._answers.popitem(last=False)
        return answer

    def _query_index(self, request: Request) -> bytes:
        """All at once, for any index holds few rows; it is found by looking through the table."""
        order = _INDEXES[request["IndexName"]]
        holds = predicate(request["KeyConditionExpression"], *aliases(request))
        rows = sorted(filter(holds, self.items(request["TableName"])), key=lambda item: item[order]["S"])
        if not request["ScanIndexForward"]:
            rows.reverse()
        return written(request, [json.dumps(each).encode() for each in rows], None)


def _subject(action: Request) -> Item:
    return action["Item"] if "Item" in action else action["Key"]


def _limit(keys: list[Any], most: int) -> None:
    if not 0 < len(keys) <= most:
        raise RefusedError("ValidationException")


def _size(attribute: Mapping[str, Any]) -> int:
    """Bytes as DynamoDB counts them, but for binary values, which are counted in base64."""
    if "S" in attribute:
        return len(attribute["S"].encode())
    [(kind, value)] = attribute.items()
    match kind:
        case "B":
            return len(value)
        case "N":
            return len(value) // 2 + 2
        case "L":
            return 3 + sum(1 + _size(each) for each in value)
        case "M":
            return 3 + sum(1 + len(name) + _size(each) for name, each in value.items())
        case "SS":
            return sum(len(each.encode()) for each in value)
    return 1
