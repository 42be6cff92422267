"""API keys in memory, in the rows of their users."""

from dataclasses import replace
from threading import Lock

from chalicelib.contract.records import ApiKey
from tests.fake_tables import FakeUsers


class FakeApiKeys:
    def __init__(self, users: FakeUsers) -> None:
        self._users = users
        self._lock = Lock()

    def add(self, user_id: str, key: ApiKey, most: int) -> bool:
        with self._lock:
            held = self._held(user_id)
            if held is None or (key.key_id not in held and len(held) >= most):
                return False
            self._keep(user_id, held | {key.key_id: key.to_json()})
            return True

    def revoke(self, user_id: str, key_id: str) -> None:
        with self._lock:
            held = self._held(user_id) or {}
            if key_id in held:
                self._keep(user_id, {each: kept for each, kept in held.items() if each != key_id})

    def note_use(self, user_id: str, key_id: str, at: str, unless_since: str) -> None:
        with self._lock:
            held = self._held(user_id) or {}
            if key_id in held and held[key_id].get("lastUsedAt", "") < unless_since:
                self._keep(user_id, held | {key_id: {**held[key_id], "lastUsedAt": at}})

    def _held(self, user_id: str) -> dict | None:
        user = self._users.rows.get(user_id)
        return dict(user.api_keys or {}) if user else None

    def _keep(self, user_id: str, held: dict) -> None:
        self._users.rows[user_id] = replace(self._users.rows[user_id], api_keys=held)
