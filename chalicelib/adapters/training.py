"""Configurations, sessions, metrics and idempotency keys in DynamoDB."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ..contract.attributes import from_item, marshal, to_item, unmarshal
from ..contract.errors import ConflictError, UnprocessableError
from ..contract.records import Configuration, EpochMetrics, Failure, Session
from ..contract.states import ACTIVE, Phase, Status, origins
from ..contract.tables import (
    ACTIVE as ACTIVE_KEY,
)
from ..contract.tables import ACTIVE_SESSIONS, CONFIGURATIONS, IDEMPOTENCY, METRICS, PROJECTS, SESSIONS
from ..services.ports import Begun
from ..services.run_ports import NO_LIMITS, Limits, Refusal
from .dynamodb import Tables, until_free
from .slots import SessionSlots

#: A request that is being carried out holds its key at most this long, should it die: a function has 29 s.
_IN_FLIGHT = timedelta(minutes=1)
_KEPT = timedelta(hours=24)
#: The key is still held by whoever locked it until then.
_LOCKED = "#LockedUntil = :{} AND attribute_not_exists(#Response)"


class DynamoConfigurations:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def add(self, configuration: Configuration) -> None:
        actions = [
            self._tables.put_action(
                CONFIGURATIONS, to_item(configuration), "attribute_not_exists(#ConfigID)"
            ),
            self._tables.update_action(
                PROJECTS,
                {"ProjectID": configuration.project_id},
                "SET #CurrentConfigID = :config",
                "attribute_exists(#ProjectID)",
                {"config": configuration.config_id},
            ),
        ]
        until_free(lambda: self._tables.transact(actions))

    def get(self, project_id: str, config_id: str) -> Configuration | None:
        item = self._tables.get(CONFIGURATIONS, {"ProjectID": project_id, "ConfigID": config_id})
        return from_item(Configuration, item) if item else None


class DynamoSessions:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._slots = SessionSlots(tables)

    def add(self, session: Session, limits: Limits = NO_LIMITS) -> Refusal | None:
        return self._slots.put(session, limits)

    def get(self, project_id: str, session_id: str) -> Session | None:
        item = self._tables.get(SESSIONS, {"ProjectID": project_id, "SessionID": session_id})
        return from_item(Session, item) if item else None

    def list(self, project_id: str, limit: int, before: str | None) -> Sequence[Session]:
        condition = "#ProjectID = :project" + (" AND #SessionID < :before" if before else "")
        values = {"project": project_id} | ({"before": before} if before else {})
        items = self._tables.query(SESSIONS, condition, values, descending=True, limit=limit)
        return [from_item(Session, each) for each in items]

    def active(self) -> Iterator[Session]:
        items = self._tables.query(
            SESSIONS, "#Active = :active", {"active": ACTIVE_KEY}, index=ACTIVE_SESSIONS
        )
        return (from_item(Session, each) for each in items)

    def set_job(self, session: Session, batch_job_id: str) -> bool:
        free = "(attribute_not_exists(#JobID) OR #JobID = :job)"
        return self._change(session, "SET #JobID = :job", ACTIVE, free, {"job": batch_job_id})

    def advance(self, session: Session, status: Status) -> bool:
        values = {"to": status, "phase": str(status)}
        return self._change(session, "SET #Status = :to, #Phase = :phase", origins(status), None, values)

    def request_stop(self, session: Session, at: str) -> bool:
        first = "attribute_not_exists(#StopRequestedAt)"
        return self._change(session, "SET #StopRequestedAt = :at", ACTIVE, first, {"at": at})

    def end(
        self,
        session: Session,
        status: Status,
        at: str,
        failure: Failure | None = None,
        only_from: Iterable[Status] | None = None,
        only_without_job: bool = False,
    ) -> bool:
        change = "SET #Status = :to, #Phase = :done, #EndTime = :at" + (
            ", #FailureReason = :why" if failure else ""
        )
        values: dict[str, Any] = {"to": status, "at": at, "done": Phase.DONE}
        if failure:
            values["why"] = failure.to_json()
        allowed = [each for each in origins(status) if only_from is None or each in set(only_from)]
        condition = "attribute_not_exists(#JobID)" if only_without_job else None
        return self._change(session, f"{change} REMOVE #Active", allowed, condition, values)

    def _change(
        self,
        session: Session,
        change: str,
        allowed: Iterable[Status],
        condition: str | None,
        values: Mapping[str, Any],
    ) -> bool:
        """Updates a session that is in one of the `allowed` states and of the same generation."""
        states = {f"from{number}": status for number, status in enumerate(allowed)}
        is_legal = f"#Status IN ({', '.join(f':{name}' for name in states)}) AND #Generation = :generation"
        key = {"ProjectID": session.project_id, "SessionID": session.session_id}
        whole = f"{is_legal} AND {condition}" if condition else is_legal
        fence = {"generation": session.generation, **states}
        return self._tables.update(SESSIONS, key, change, whole, {**values, **fence})


class DynamoMetrics:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def list(self, session_id: str) -> Sequence[EpochMetrics]:
        items = self._tables.query(METRICS, "#SessionID = :session", {"session": session_id})
        return [from_item(EpochMetrics, each) for each in items]


class DynamoIdempotencyKeys:
    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def begin(self, key: str, request_hash: str, now: datetime, plan: Mapping[str, Any]) -> Begun:
        moment = int(now.timestamp())
        locked_until = moment + int(_IN_FLIGHT.total_seconds())
        item = {
            "Key": key,
            "RequestHash": request_hash,
            "Plan": json.dumps(plan),
            "LockedUntil": locked_until,
            "ExpiresAt": moment + int(_KEPT.total_seconds()),
        }
        # Time to live removes items up to two days late: what has expired counts as gone.
        # Of an earlier release's keys in flight there is no plan.
        free = (
            "attribute_not_exists(#Key) OR #ExpiresAt < :now OR (attribute_not_exists(#Plan)"
            " AND attribute_not_exists(#Response) AND #LockedUntil < :now AND #RequestHash = :hash)"
        )
        if self._tables.put(IDEMPOTENCY, marshal(item), free, {"now": moment, "hash": request_hash}):
            return Begun(plan, locked_until)
        earlier = self._earlier(key, request_hash)
        if "Response" in earlier:
            return Begun(plan, 0, answer=json.loads(earlier["Response"]))
        if (earlier.get("Plan"), earlier.get("LockedUntil")) == (item["Plan"], locked_until):
            return Begun(plan, locked_until)  # its own: the SDK repeated a call that had got through
        if earlier.get("LockedUntil", moment) >= moment:
            raise _in_flight()
        return self._take_over(key, earlier, locked_until)

    def _take_over(self, key: str, earlier: Mapping[str, Any], locked_until: int) -> Begun:
        locked, plan = _LOCKED.format("earlier"), json.loads(earlier["Plan"])
        values = {"until": locked_until, "earlier": earlier["LockedUntil"]}
        if not self._tables.update(IDEMPOTENCY, {"Key": key}, "SET #LockedUntil = :until", locked, values):
            raise _in_flight()
        return Begun(plan, locked_until, is_again=True)

    def finish(self, key: str, answer: Mapping[str, Any]) -> None:
        self._tables.update(
            IDEMPOTENCY,
            {"Key": key},
            "SET #Response = :answer",
            "attribute_exists(#Key)",
            {"answer": json.dumps(answer)},
        )

    def fix(self, key: str, request_hash: str, now: datetime, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        moment = int(now.timestamp())
        item = {
            "Key": key,
            "RequestHash": request_hash,
            "Response": json.dumps(answer),
            "ExpiresAt": moment + int(_KEPT.total_seconds()),
        }
        free = "attribute_not_exists(#Key) OR #ExpiresAt < :now"
        is_first = self._tables.put(IDEMPOTENCY, marshal(item), free, {"now": moment})
        if is_first:
            return answer
        earlier = self._earlier(key, request_hash)
        if "Response" not in earlier:
            raise _in_flight()
        fixed: Mapping[str, Any] = json.loads(earlier["Response"])
        return fixed

    def release(self, key: str, lock: int) -> None:
        free = {"lock": lock, "none": 0}
        self._tables.update(
            IDEMPOTENCY, {"Key": key}, "SET #LockedUntil = :none", _LOCKED.format("lock"), free
        )

    def abandon(self, key: str, lock: int) -> None:
        self._tables.delete(IDEMPOTENCY, {"Key": key}, _LOCKED.format("lock"), {"lock": lock})

    def _earlier(self, key: str, request_hash: str) -> Mapping[str, Any]:
        """What is there of a key, if it is the same request's."""
        earlier = unmarshal(self._tables.get(IDEMPOTENCY, {"Key": key}) or {})
        if earlier.get("RequestHash", request_hash) != request_hash:
            raise UnprocessableError(
                "this Idempotency-Key was used for another request", code="idempotency-key-reused"
            )
        return earlier


def _in_flight() -> ConflictError:
    return ConflictError(
        "the first request with this key is still being carried out",
        code="request-in-flight",
        retry_after_seconds=2,
    )
