"""All that the embedded AWS has of one user, in a form in which two runs of the same can be compared."""

import json
import re
from collections.abc import Iterator
from typing import Any

from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.s3.models import s3_backends

from chalicelib.contract.attributes import from_item
from chalicelib.contract.datasets import Transfer
from chalicelib.contract.objects import project_prefixes
from chalicelib.contract.tables import (
    CONFIGURATIONS,
    IDEMPOTENCY,
    IMAGES,
    LABELS,
    METRICS,
    PROJECTS,
    SESSIONS,
    USERS,
)
from infra.local.aws import REGION, EmbeddedAws

#: What differs from run to run and means nothing: ids, times, hashes, secrets.
_MASKS = [
    (re.compile(r"\bdk_[\w-]+"), "<key>"),
    (re.compile(r"\$argon2id\$[\w$,=+/]+"), "<password>"),
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}"), "<ulid>"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), "<time>"),
    (re.compile(r"\d{8}T\d{6}Z|/\d{8}/"), "<day>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<hash>"),
    (re.compile(r"u-[0-9a-f]{12}"), "<name>"),
    (re.compile(r"[\w+/=.$~%?&:-]{100,}"), "<long>"),
    (re.compile(r'("(?:ExpiresAt|LockedUntil)": \{"N": )"\d+"'), r"\1<seconds>"),
    (re.compile(r'("MultipartID": \{"S": )"\w+"'), r"\1<upload>"),
    # The runs that are over are taken out when the set is full.
    (re.compile(r'("ActiveSessions": \{"SS": )\[[^]]*\]'), r"\1<runs>"),
    # It only ever grows: a logout that was carried out twice ends the same logins.
    (re.compile(r'("TokenVersion": \{"N": )"([2-9]|\d\d+)"'), r"\1<raised>"),
]


def masked(text: str) -> str:
    for pattern, mask in _MASKS:
        text = pattern.sub(mask, text)
    return text


def of_user(stack: EmbeddedAws, user_id: str) -> list[str]:
    """A sorted line for each row, object, multipart upload and living job; the lines of two runs are equal
    where the runs have left the same."""
    state = State(stack, user_id)
    jobs = (f"job {each.job_name} {each.status}" for each in state.awaited())
    return sorted(masked("\n".join((*state.rows(), *state.objects(), *jobs))).split("\n"))


def lasting(lines: list[str]) -> list[str]:
    """Those that don't go by themselves, as rows with a time to live and unfinished uploads do."""
    return [each for each in lines if '"ExpiresAt"' not in each and not each.startswith("multipart ")]


def loose_ends(stack: EmbeddedAws, user_id: str) -> list[str]:
    """What belongs to nothing: objects without a row, rows without an object, living jobs of runs that
    are over or have another."""
    state = State(stack, user_id)
    keys, found = set(state.keys()), []
    wanted: set[str] = set()
    for project_id in state.projects:
        for row in state.items(IMAGES, project_id):
            wanted |= _objects_of(row, project_id)
    kinds = re.compile("^projects/[^/]+/(images|thumbnails|versions)/")
    found += [f"object without a row: {key}" for key in sorted(keys - wanted) if kinds.match(key)]
    found += [f"row without its object: {key}" for key in sorted(wanted - keys)]
    awaited = {each.job_id for each in state.awaited()}
    strays = (each.job_name for each in state.living() if each.job_id not in awaited)
    return found + [f"a job that nobody waits for: {each}" for each in strays]


def _objects_of(row: dict[str, Any], project_id: str) -> set[str]:
    """The objects without which a row is a lie."""
    if row.get("Status", {}).get("S") == "accepted":
        image_id = row["ImageID"]["S"]
        return {f"projects/{project_id}/{kind}/{image_id}" for kind in ("images", "thumbnails")}
    if "DatasetHash" in row:
        return {f"projects/{project_id}/versions/{row['DatasetHash']['S']}.jsonl.gz"}
    return set()


class State:
    """Reads moto's memory itself: a snapshot costs no calls, and works in a forked process."""

    def __init__(self, stack: EmbeddedAws, user_id: str) -> None:
        self._prefix = stack.outputs["TablePrefix"]
        self._bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[stack.outputs["Bucket"]]
        self._user_id = user_id
        owned = (each for each in self.items(PROJECTS) if each["UserID"]["S"] == user_id)
        self.projects = [each["ProjectID"]["S"] for each in owned]
        self._prefixes = tuple(prefix for each in self.projects for prefix in project_prefixes(each))

    def items(self, table: str, partition: str | None = None) -> Iterator[dict[str, Any]]:
        """The rows of a table, or of one partition of it."""
        made = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables[self._prefix + table]
        found = made.items if partition is None else made.items.get(DynamoType({"S": partition}), {})
        items = list(found.values()) if isinstance(found, dict) else [found]
        return (each.to_json()["Attributes"] for each in items)

    def rows(self) -> Iterator[str]:
        for table in (PROJECTS, IMAGES, LABELS, CONFIGURATIONS, SESSIONS):
            for project_id in self.projects:
                yield from (_line(table, each) for each in self.items(table, project_id))
        for session in [row for each in self.projects for row in self.items(SESSIONS, each)]:
            yield from (_line(METRICS, each) for each in self.items(METRICS, session["SessionID"]["S"]))
        mine = (each for each in self.items(USERS) if self._user_id in json.dumps(each, default=repr))
        yield from (_line(USERS, each) for each in mine)
        for each in self.items(IDEMPOTENCY):
            if any(project_id in each["Key"]["S"] for project_id in self.projects):
                yield _line(IDEMPOTENCY, each)

    def transfers(self) -> Iterator[Transfer]:
        for project_id in self.projects:
            rows = (each for each in self.items(IMAGES, project_id) if "TransferID" in each)
            yield from (from_item(Transfer, each) for each in rows)

    def keys_in_flight(self) -> Iterator[str]:
        """The idempotency keys of requests that have no answer yet."""
        for each in self.items(IDEMPOTENCY):
            if "Response" not in each and any(one in each["Key"]["S"] for one in self.projects):
                yield each["Key"]["S"]

    def keys(self) -> Iterator[str]:
        return (str(key) for key in list(self._bucket.keys) if str(key).startswith(self._prefixes))

    def objects(self) -> Iterator[str]:
        yield from (f"object {key} {self._bucket.keys[key].size}" for key in self.keys())
        for each in self._bucket.multiparts.values():
            if each.key_name.startswith(self._prefixes):
                yield f"multipart {each.key_name}"

    def living(self) -> Iterator[Any]:
        jobs = batch_backends[DEFAULT_ACCOUNT_ID][REGION]._jobs.values()
        for each in jobs:
            project_id = each.container_environment().get("PROJECT_ID")
            if project_id in self.projects and each.status not in ("SUCCEEDED", "FAILED"):
                yield each

    def awaited(self) -> Iterator[Any]:
        """The living jobs of runs that aren't over, and of imports and exports."""
        sessions = (row for each in self.projects for row in self.items(SESSIONS, each))
        owners = {row["JobID"]["S"] for row in sessions if "JobID" in row and "Active" in row}
        owners |= {each.batch_job_id for each in self.transfers() if each.batch_job_id}
        return (each for each in self.living() if each.job_id in owners)


def _line(table: str, item: dict[str, Any]) -> str:
    return f"{table} {json.dumps(item, sort_keys=True, default=repr)}"
