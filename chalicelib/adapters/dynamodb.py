"""DynamoDB in the few forms in which Darkroom uses it.

Reads are strongly consistent, except on an index. A condition that doesn't hold is an answer
(False), not an error; every other refusal is raised. A condition that fails since the SDK sent a write
again, whose answer was lost, holds: see `_conditional`.
"""

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from ..contract.attributes import Item, marshal, unmarshal
from ..contract.errors import ContendedError, UnavailableError, UnprocessableError
from .aws import Aws, contended, error_code, unavailable, was_retried

T = TypeVar("T")
WRITES_A_BATCH = 25
READS_A_BATCH = 100
_WORKERS = 16
_ATTEMPTS = 8
#: In seconds, before each try of what may meet a transaction.
_CONFLICT_PAUSES = (0, 0.05, 0.1, 0.2, 0.4, 0.8)
_ASSIGNMENT = re.compile(r"#(\w+) = :(\w+)")


class Tables:
    """The tables of a stage; an expression's names are aliased by `#Name`, values are plain Python."""

    def __init__(self, aws: Aws, prefix: str) -> None:
        self._aws = aws
        self._prefix = prefix

    def name(self, table: str) -> str:
        return self._prefix + table

    def get(self, table: str, key: Mapping[str, Any]) -> Item | None:
        answer = self._call("get_item", TableName=self.name(table), Key=marshal(key), ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return item

    def get_many(
        self, keys: Sequence[tuple[str, Mapping[str, Any]]], select: Sequence[str] = ()
    ) -> list[tuple[str, Item]]:
        """Items of several tables, (table, item), in one round trip for each hundred keys.

        Args:
            keys: tables by their names in the contract, and keys.
            select: the attributes to return; all of them without it.
        """
        return [found for chunk in _chunks(keys, READS_A_BATCH) for found in self._get_chunk(chunk, select)]

    def query(
        self,
        table: str,
        condition: str,
        values: Mapping[str, Any],
        *,
        select: Sequence[str] = (),
        where: str | None = None,
        index: str | None = None,
        descending: bool = False,
        limit: int | None = None,
    ) -> Iterator[Item]:
        """Items of a partition, a page at a time.

        Args:
            table: its name in the contract.
            condition: on the key, such as "#ProjectID = :project".
            values: by name, without the colon.
            select: the attributes to return; all of them without it.
            where: a condition on other attributes; it saves bytes, not reads.
            index: an index to ask instead of the table.
            descending: largest key first.
            limit: after how many items to end.
        """
        request: dict[str, Any] = {
            "TableName": self.name(table),
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": _values(values),
            "ScanIndexForward": not descending,
        }
        if where:
            request["FilterExpression"] = where
        elif limit:
            request["Limit"] = limit
        if select:
            request["ProjectionExpression"] = ", ".join(f"#{each}" for each in select)
        if index:
            request["IndexName"] = index
        else:
            request["ConsistentRead"] = True
        request["ExpressionAttributeNames"] = _names(
            condition, where or "", request.get("ProjectionExpression", "")
        )
        return islice(self._pages(request), limit)

    def put(
        self, table: str, item: Item, condition: str | None = None, values: Mapping[str, Any] | None = None
    ) -> bool:
        request = self._write(table, condition, values or {}, "")
        return self._conditional(
            "put_item", lambda found: unmarshal(found) == unmarshal(item), Item=item, **request
        )

    def update(
        self,
        table: str,
        key: Mapping[str, Any],
        change: str,
        condition: str | None,
        values: Mapping[str, Any],
    ) -> bool:
        request = self._write(table, condition, values, change)
        wanted = {name: values[value] for name, value in _ASSIGNMENT.findall(change)}
        return self._conditional(
            "update_item",
            lambda found: _has(found, wanted),
            Key=marshal(key),
            UpdateExpression=change,
            **request,
        )

    def delete(
        self,
        table: str,
        key: Mapping[str, Any],
        condition: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> bool:
        request = self._write(table, condition, values or {}, "")
        return self._conditional("delete_item", lambda found: not found, Key=marshal(key), **request)

    def put_many(self, table: str, items: Iterable[Item]) -> None:
        """Puts items without a condition, 25 a call, the calls in parallel."""
        self._write_many(table, [{"PutRequest": {"Item": each}} for each in items])

    def delete_many(self, table: str, keys: Iterable[Item]) -> None:
        """Deletes items without a condition, 25 a call, the calls in parallel."""
        self._write_many(table, [{"DeleteRequest": {"Key": each}} for each in keys])

    def put_action(
        self, table: str, item: Item, condition: str, values: Mapping[str, Any] | None = None
    ) -> Any:
        """For `transact`: a put."""
        return {"Put": {"Item": item, **self._write(table, condition, values or {}, "")}}

    def update_action(
        self,
        table: str,
        key: Mapping[str, Any],
        change: str,
        condition: str | None,
        values: Mapping[str, Any],
    ) -> Any:
        """For `transact`: an update."""
        request = self._write(table, condition, values, change)
        return {"Update": {"Key": marshal(key), "UpdateExpression": change, **request}}

    def delete_action(self, table: str, key: Mapping[str, Any]) -> Any:
        """For `transact`: a delete of what may be gone already."""
        return {"Delete": {"TableName": self.name(table), "Key": marshal(key)}}

    def transact(self, actions: Sequence[Any], token: str | None = None) -> list[bool]:
        """Carries out all actions or none; returns for each whether it was free to go ahead.

        Args:
            actions: up to 100.
            token: of one's own, for who sends the same actions again where no answer came: what was
                carried out under it within ten minutes is a success that changes nothing. The SDK makes
                one for its own tries.
        """
        try:
            given = {"ClientRequestToken": token} if token else {}
            self._call("transact_write_items", TransactItems=list(actions), **given)
        except ClientError as error:
            if error_code(error) != "TransactionCanceledException":
                raise
            reasons = [each.get("Code") for each in error.response.get("CancellationReasons", [])]
            if "ValidationError" in reasons:
                raise UnprocessableError("a row would be over 400 KB", code="row-too-large") from error
            if "ConditionalCheckFailed" not in reasons:
                raise contended() from error
            return [code != "ConditionalCheckFailed" for code in reasons]
        return [True] * len(actions)

    def _write(
        self, table: str, condition: str | None, values: Mapping[str, Any], change: str
    ) -> dict[str, Any]:
        request: dict[str, Any] = {"TableName": self.name(table)}
        if condition:
            request["ConditionExpression"] = condition
        if names := _names(condition or "", change):
            request["ExpressionAttributeNames"] = names
        if values:
            request["ExpressionAttributeValues"] = _values(values)
        return request

    def _conditional(self, operation: str, is_done: Callable[[Item], bool], **request: Any) -> bool:
        """Whether the condition held; a row that a transaction is at work on is waited for.

        Where the answer of a write is lost, the SDK sends it again, and its own first try makes the
        condition fail: the row that is there then says so (`is_done`). Nobody else writes the same, since
        each such write has an id, a token or a time of its own.
        """
        try:
            until_free(
                lambda: self._call(operation, ReturnValuesOnConditionCheckFailure="ALL_OLD", **request)
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            return was_retried(error) and is_done(error.response.get("Item", {}))
        return True

    def _pages(self, request: dict[str, Any]) -> Iterator[Item]:
        while True:
            answer = self._call("query", **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request = request | {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _get_chunk(
        self, keys: Sequence[tuple[str, Mapping[str, Any]]], select: Sequence[str]
    ) -> Iterator[tuple[str, Item]]:
        how: dict[str, Any] = {"ConsistentRead": True}
        if select:
            how["ProjectionExpression"] = ", ".join(f"#{each}" for each in select)
            how["ExpressionAttributeNames"] = _names(how["ProjectionExpression"])
        wanted: dict[str, Any] = {}
        for table, key in keys:
            wanted.setdefault(self.name(table), {"Keys": [], **how})["Keys"].append(marshal(key))
        for _ in _backoff():
            answer = self._call("batch_get_item", RequestItems=wanted)
            for name, items in answer["Responses"].items():
                yield from ((name.removeprefix(self._prefix), item) for item in items)
            wanted = answer.get("UnprocessedKeys", {})
            if not wanted:
                return

    def _write_many(self, table: str, requests: Sequence[Any]) -> None:
        chunks = _chunks(requests, WRITES_A_BATCH)
        if not chunks:
            return
        with ThreadPoolExecutor(min(_WORKERS, len(chunks))) as pool:
            list(pool.map(lambda chunk: self._write_chunk(table, chunk), chunks))

    def _write_chunk(self, table: str, requests: Sequence[Any]) -> None:
        wanted = {self.name(table): list(requests)}
        for _ in _backoff():
            wanted = self._call("batch_write_item", RequestItems=wanted).get("UnprocessedItems", {})
            if not wanted:
                return

    def _call(self, operation: str, **request: Any) -> Any:
        with unavailable():
            return getattr(self._aws.dynamodb, operation)(**request)


def _chunks(values: Sequence[T], size: int) -> list[Sequence[T]]:
    return [values[start : start + size] for start in range(0, len(values), size)]


def until_free(call: Callable[[], T]) -> T:
    """What a call answers, which is tried again while another's transaction is at work on its rows."""
    for pause in _CONFLICT_PAUSES:
        # Half to three halves of it: those who met once are not to meet again.
        time.sleep(pause * random.uniform(0.5, 1.5))
        with suppress(ContendedError):
            return call()
    raise contended()


def _backoff() -> Iterator[None]:
    """Tries at growing distances, for what a batch call left undone; then it is `UnavailableError`."""
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(0.05 * 2**attempt)
        yield
    raise UnavailableError("DynamoDB is busy", hint="Try again.", retry_after_seconds=5)


def _names(*expressions: str) -> dict[str, str]:
    """`#Name` -> Name for every alias that stands in the expressions."""
    words = (
        " ".join(expressions).replace("(", " ").replace(")", " ").replace(",", " ").replace(".", " ").split()
    )
    return {word: word[1:] for word in words if word.startswith("#")}


def _values(values: Mapping[str, Any]) -> Item:
    return {f":{name}": value for name, value in marshal(values).items()}


def _has(found: Item, wanted: Mapping[str, Any]) -> bool:
    values = unmarshal(found)
    return bool(wanted) and all(values.get(name) == value for name, value in wanted.items())
