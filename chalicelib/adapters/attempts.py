"""Counts of attempts to log in, in the table of users."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..contract.attributes import from_item, to_item
from ..contract.records import LoginAttempts
from ..contract.tables import ATTEMPTS_MARKER, USERS
from .dynamodb import Tables


class DynamoAttempts:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def get(self, names: Sequence[str]) -> Mapping[str, LoginAttempts]:
        keys = [(USERS, {"UserID": ATTEMPTS_MARKER + each}) for each in names]
        found = [from_item(LoginAttempts, item) for _, item in self._tables.get_many(keys)]
        bare = [replace(each, user_id=each.user_id.removeprefix(ATTEMPTS_MARKER)) for each in found]
        return {each.user_id: each for each in bare}

    def replace(self, seen: LoginAttempts | None, new: LoginAttempts) -> bool:
        if seen is None:
            return self._put(new, "attribute_not_exists(#UserID)")
        values = {"failures": seen.failures, "at": seen.allowed_at}
        return self._put(new, "#Failures = :failures AND #AllowedAt = :at", values)

    def forgive(self, name: str) -> None:
        key = {"UserID": ATTEMPTS_MARKER + name}
        self._tables.update(USERS, key, "ADD #Failures :less", "#Failures > :none", {"less": -1, "none": 0})

    def remember(self, new: LoginAttempts) -> None:
        # A later login of the same address may have been quicker.
        condition = "attribute_not_exists(#UserID) OR #KnownUntil <= :until"
        self._put(new, condition, {"until": new.known_until})

    def _put(self, new: LoginAttempts, condition: str, values: Mapping[str, float] | None = None) -> bool:
        item = to_item(replace(new, user_id=ATTEMPTS_MARKER + new.user_id))
        return self._tables.put(USERS, item, condition, values)
