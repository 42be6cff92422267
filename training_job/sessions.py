"""The session's row, written only while this attempt owns it.

Every write is conditional on (Status, Generation, Attempt, JobID). A process that Batch gave up and
replaced may still be alive: its next write fails, and nothing of it gets through. A lost answer of
SubmitJob can make two jobs of one session, each with a first attempt: the first to claim it is its job.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from chalicelib.contract.attributes import Item, from_item, marshal, marshal_value, to_item
from chalicelib.contract.errors import LostClaimError
from chalicelib.contract.records import EpochMetrics, Failure, Session
from chalicelib.contract.states import Phase, Status, origins
from chalicelib.contract.tables import METRICS, SESSIONS

from .clock import timestamp
from .patience import patiently

_CLAIM = "#Generation = :generation AND #Attempt = :attempt AND #JobID = :job"
_OWNED = f"#Status = :running AND {_CLAIM}"
# The last alternative of each makes it idempotent: a call whose answer was lost is sent again.
_ENDABLE = f"({_OWNED}) OR (#Status = :newStatus AND {_CLAIM} AND #EndTime = :newEndTime)"
_CLAIMABLE = (
    "#Status IN ({}) AND #Generation = :generation AND (attribute_not_exists(#JobID) OR #JobID = :job)"
    " AND (#Attempt < :attempt OR (#Attempt = :attempt AND #HeartbeatAt = :now))"
)
_CONFLICT_TRIES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionRepository:
    """One session, as the attempt `(generation, attempt)` may see and change it."""

    dynamodb: Any
    table_prefix: str
    project_id: str
    session_id: str
    generation: int
    attempt: int
    batch_job_id: str

    def get(self) -> Session:
        response = self.dynamodb.get_item(TableName=self._table(SESSIONS), Key=self._key, ConsistentRead=True)
        return from_item(Session, response["Item"])

    def claim(self) -> Session:
        """Makes the session this attempt's own; tried for long.

        Raises:
            LostClaimError: it is over, or another job or a later attempt has it.
            UnavailableError: see `patience.patiently`, as with `end`.
        """
        now, states = timestamp(), origins(Status.RUNNING)
        markers = {f":origin{index}": marshal_value(state) for index, state in enumerate(states)}
        values = {
            "Status": Status.RUNNING,
            "Attempt": self.attempt,
            "JobID": self.batch_job_id,
            "HeartbeatAt": now,
            "Phase": Phase.PREPARING,
        }
        request = self._update(
            values, remove=("EtaSeconds",), condition=_CLAIMABLE.format(", ".join(markers))
        )
        request["ExpressionAttributeValues"] |= markers | {":now": marshal_value(now)}
        del request["ExpressionAttributeValues"][":running"]
        return patiently(lambda: self._send(request))

    def update(self, values: Mapping[str, Any], *, remove: Sequence[str] = ()) -> Session:
        """Sets attributes and the heartbeat; the answer is the whole row as it then is.

        Raises:
            LostClaimError: this attempt no longer owns the session.
        """
        return self._send(self._update({"HeartbeatAt": timestamp(), **values}, remove=remove))

    def add_epoch(self, metrics: EpochMetrics, values: Mapping[str, Any]) -> None:
        """Puts an epoch's item and updates the session, both or neither.

        Raises:
            LostClaimError: this attempt no longer owns the session.
        """
        put = {"TableName": self._table(METRICS), "Item": to_item(metrics)}
        update = self._update({"HeartbeatAt": timestamp(), **values})
        del update["ReturnValues"]
        self._transact([{"Put": put}, {"Update": update}])

    def end(self, status: Status, values: Mapping[str, Any]) -> None:
        """Moves the session to a terminal state, out of the index of the active ones; tried for long.

        Nobody goes on from its checkpoint any more.

        Raises:
            LostClaimError: this attempt no longer owns the session.
        """
        now = timestamp()
        final = {"Status": status, "EndTime": now, "HeartbeatAt": now, **values}
        request = self._update(final, condition=_ENDABLE, remove=("Active", "EtaSeconds", "Checkpoint"))
        patiently(lambda: self._send(request))

    def fail(self, failure: Failure) -> None:
        self.end(Status.FAILED, {"FailureReason": failure.to_json()})

    @property
    def _key(self) -> Item:
        return marshal({"ProjectID": self.project_id, "SessionID": self.session_id})

    def _table(self, name: str) -> str:
        return self.table_prefix + name

    def _update(
        self, values: Mapping[str, Any], *, condition: str = _OWNED, remove: Sequence[str] = ()
    ) -> dict[str, Any]:
        names = {*values, *remove, "Status", "Generation", "Attempt", "JobID", "HeartbeatAt"}
        expression = "SET " + ", ".join(f"#{name} = :new{name}" for name in values)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        fence = {
            ":running": Status.RUNNING,
            ":generation": self.generation,
            ":attempt": self.attempt,
            ":job": self.batch_job_id,
        }
        return {
            "TableName": self._table(SESSIONS),
            "Key": self._key,
            "UpdateExpression": expression,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": {f"#{name}": name for name in names},
            "ExpressionAttributeValues": marshal(
                fence | {f":new{name}": value for name, value in values.items()}
            ),
            "ReturnValues": "ALL_NEW",
        }

    def _send(self, request: dict[str, Any]) -> Session:
        try:
            return from_item(Session, self.dynamodb.update_item(**request)["Attributes"])
        except self.dynamodb.exceptions.ConditionalCheckFailedException as error:
            raise self._lost() from error

    def _transact(self, items: list[dict[str, Any]]) -> None:
        for left in reversed(range(_CONFLICT_TRIES)):
            try:
                self.dynamodb.transact_write_items(TransactItems=items)
                return
            except self.dynamodb.exceptions.TransactionCanceledException as error:
                reasons = _cancellation_reasons(error)
                if "ConditionalCheckFailed" in reasons:
                    raise self._lost() from error
                # The API's stop request may write the same row at the same moment.
                if "TransactionConflict" not in reasons or not left:
                    raise
            time.sleep(random.uniform(0.05, 0.3))

    def _lost(self) -> LostClaimError:
        return LostClaimError(f"Attempt {self.attempt} doesn't own session {self.session_id}.")


def _cancellation_reasons(error: ClientError) -> set[str]:
    return {reason.get("Code", "") for reason in error.response.get("CancellationReasons", [])}
