"""API keys in DynamoDB: a map in the row of their user."""

from typing import Any

from ..contract.records import ApiKey
from ..contract.tables import USERS
from .dynamodb import Tables


class DynamoApiKeys:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, user_id: str, key: ApiKey, most: int) -> bool:
        # The map comes with the first key; two first keys at a time are why it is tried again.
        return (
            self._add_to_map(user_id, key, most)
            or self._begin_map(user_id, key)
            or self._add_to_map(user_id, key, most)
        )

    def _add_to_map(self, user_id: str, key: ApiKey, most: int) -> bool:
        # A repeat, where the answer was lost, finds its own secret and changes nothing.
        is_free = (
            f"#ApiKeys.#{key.key_id}.#secretSha256 = :secret"
            " OR (attribute_exists(#ApiKeys) AND size(#ApiKeys) < :most)"
        )
        values = {"key": key.to_json(), "secret": key.secret_sha256, "most": most}
        return self._update(user_id, f"SET #ApiKeys.#{key.key_id} = :key", is_free, values)

    def _begin_map(self, user_id: str, key: ApiKey) -> bool:
        is_first = "attribute_exists(#UserID) AND attribute_not_exists(#ApiKeys)"
        return self._update(user_id, "SET #ApiKeys = :keys", is_first, {"keys": {key.key_id: key.to_json()}})

    def revoke(self, user_id: str, key_id: str) -> None:
        path = f"#ApiKeys.#{key_id}"
        self._update(user_id, f"REMOVE {path}", f"attribute_exists({path})", {})

    def note_use(self, user_id: str, key_id: str, at: str, unless_since: str) -> None:
        path = f"#ApiKeys.#{key_id}"
        is_older = (
            f"attribute_exists({path}) AND"
            f" (attribute_not_exists({path}.#lastUsedAt) OR {path}.#lastUsedAt < :since)"
        )
        values = {"at": at, "since": unless_since}
        self._update(user_id, f"SET {path}.#lastUsedAt = :at", is_older, values)

    def _update(self, user_id: str, change: str, condition: str, values: dict[str, Any]) -> bool:
        return self._tables.update(USERS, {"UserID": user_id}, change, condition, values)
