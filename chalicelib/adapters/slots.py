"""Putting a session where its project and its user have room for one more.

Each has a set of the sessions that count. The transaction that puts a session adds it to both sets, on the
condition of their sizes. Nobody takes a session out when it ends: where a set is full, the next start looks
which of its sessions are over. docs/adr/0023-starting-once.md
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..contract.attributes import to_item
from ..contract.records import Session
from ..contract.states import TERMINAL
from ..contract.tables import PROJECTS, SESSIONS, SLOTS, USERS, slot, slot_key
from ..services.run_ports import Limits, Refusal
from .aws import contended
from .dynamodb import Tables, until_free

#: Slots that were freed may be taken by others, again and again.
_TRIES = 5
_IS_NEW = "attribute_not_exists(#SessionID)"


@dataclass(frozen=True, slots=True)
class _Holder:
    """A row that holds a set of sessions."""

    table: str
    key: dict[str, str]
    limit: int
    refusal: Refusal
    exists: str  # the condition


class SessionSlots:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def put(self, session: Session, limits: Limits) -> Refusal | None:
        """Puts a session that isn't there yet; see `run_ports.Sessions.add`."""
        holders = list(_holders(session, limits))
        for _ in range(_TRIES):
            full = until_free(lambda: self._try(session, holders))
            if full is None:
                return None
            if refusal := self._refusal(full):
                return refusal
        raise contended()

    def _try(self, session: Session, holders: list[_Holder]) -> _Holder | None:
        """Puts the session, or answers who has no room."""
        actions = [self._tables.put_action(SESSIONS, to_item(session), _IS_NEW)]
        actions += [self._take(each, slot(session.project_id, session.session_id)) for each in holders]
        is_new, *fits = self._tables.transact(actions)
        if not is_new:  # an earlier try, whose answer was lost
            return None
        return next((holder for holder, fit in zip(holders, fits, strict=True) if not fit), None)

    def _take(self, holder: _Holder, taken: str) -> Any:
        room = f"attribute_not_exists(#{SLOTS}) OR size(#{SLOTS}) < :limit OR contains(#{SLOTS}, :slot)"
        return self._tables.update_action(
            holder.table,
            holder.key,
            f"ADD #{SLOTS} :slots",
            f"{holder.exists} AND ({room})",
            {"slots": frozenset({taken}), "slot": taken, "limit": holder.limit},
        )

    def _refusal(self, holder: _Holder) -> Refusal | None:
        """Why there is no room; None where sessions that are over have made some."""
        row = self._tables.get(holder.table, holder.key)
        if row is None or "DeletedAt" in row:
            return Refusal.GONE
        over = frozenset(self._over(row.get(SLOTS, {}).get("SS", ())))
        if not over:
            return holder.refusal
        self._tables.update(holder.table, holder.key, f"DELETE #{SLOTS} :over", holder.exists, {"over": over})
        return None

    def _over(self, slots: Iterable[str]) -> Iterator[str]:
        """Those whose sessions are over, or are gone with their projects.

        That a session isn't there says nothing else: the transaction that puts it may be half through.
        """
        keys = {each: slot_key(each) for each in slots}
        projects = {key["ProjectID"]: (PROJECTS, {"ProjectID": key["ProjectID"]}) for key in keys.values()}
        wanted = [*projects.values(), *((SESSIONS, key) for key in keys.values())]
        rows = self._tables.get_many(wanted, ["ProjectID", "SessionID", "Status", "DeletedAt"])
        kept = {row["ProjectID"]["S"] for table, row in rows if table == PROJECTS and "DeletedAt" not in row}
        status = {row["SessionID"]["S"]: row["Status"]["S"] for table, row in rows if table == SESSIONS}
        for each, key in keys.items():
            is_gone = key["SessionID"] not in status and key["ProjectID"] not in kept
            if is_gone or status.get(key["SessionID"]) in TERMINAL:
                yield each


def _holders(session: Session, limits: Limits) -> Iterator[_Holder]:
    if limits.per_project:
        there = "attribute_exists(#ProjectID) AND attribute_not_exists(#DeletedAt)"
        key = {"ProjectID": session.project_id}
        yield _Holder(PROJECTS, key, limits.per_project, Refusal.PROJECT_FULL, there)
    if limits.per_user:
        there, key = "attribute_exists(#UserID)", {"UserID": session.user_id}
        yield _Holder(USERS, key, limits.per_user, Refusal.USER_FULL, there)
