"""Rows by their keys alone, for the removal of whole partitions."""

from collections.abc import Iterator, Sequence

from ..contract.attributes import marshal, unmarshal_value
from ..contract.tables import KEYS
from ..services.ports import SortKey
from .dynamodb import Tables


class DynamoRows:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def keys(self, table: str, partition: str) -> Iterator[SortKey]:
        hash_name, range_name = KEYS[table]
        condition, values = f"#{hash_name} = :partition", {"partition": partition}
        found = self._tables.query(table, condition, values, select=(range_name,))
        return (unmarshal_value(each[range_name]) for each in found)

    def delete(self, table: str, partition: str, keys: Sequence[SortKey]) -> None:
        hash_name, range_name = KEYS[table]
        # Without a condition: a row that is gone already is as it should be.
        self._tables.delete_many(table, (marshal({hash_name: partition, range_name: each}) for each in keys))
