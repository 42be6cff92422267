"""Taking an embedded AWS back to a moment: what a case does to it is undone in some milliseconds."""

import copy
from collections import defaultdict
from typing import Any

import pytest
from moto.batch.models import batch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import DynamoDBBackend, dynamodb_backends
from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import Table
from moto.s3.models import FakeKey, s3_backends
from moto.secretsmanager.models import secretsmanager_backends

from chalicelib.contract.tables import KEYS
from infra.local.aws import REGION, EmbeddedAws


class Moment:
    """The rows, objects, jobs and signing keys of a stack, as they are when this is made.

    moto keeps them in memory and has no way back: this reads and writes that memory. moto changes rows
    in place, and closes the files of objects that are deleted: while `patch` holds, not of these.
    """

    def __init__(self, stack: EmbeddedAws, patch: pytest.MonkeyPatch) -> None:
        prefix = stack.outputs["TablePrefix"]
        self._dynamodb = dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION]
        self._bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[stack.outputs["Bucket"]]
        self._batch = batch_backends[DEFAULT_ACCOUNT_ID][REGION]
        secrets = secretsmanager_backends[DEFAULT_ACCOUNT_ID][REGION].secrets
        self._secret = secrets[stack.outputs["SigningSecret"]]
        self._rows = {prefix + each: _shallow(self._dynamodb.tables[prefix + each]) for each in KEYS}
        patch.setattr(DynamoDBBackend, "update_item", _updating_a_copy)
        self._objects = {key: list(versions) for key, versions in dict.items(self._bucket.keys)}
        parts = [part for each in self._bucket.multiparts.values() for part in each.parts.values()]
        self._kept = {id(each) for versions in (*self._objects.values(), parts) for each in versions}
        self._dispose = FakeKey.dispose
        patch.setattr(FakeKey, "dispose", lambda key, **_: self._dispose_of_others(key))
        self._uploads = dict(self._bucket.multiparts)
        self._jobs = {key: (job, _state(job)) for key, job in self._batch._jobs.items()}
        self._queues = {each: list(each.jobs) for each in self._batch._job_queues.values()}
        self._keys = copy.deepcopy(self._secret.__dict__)

    def restore(self) -> None:
        for name, rows in self._rows.items():
            # By its name: a transaction that was cancelled has put another table in its place.
            self._dynamodb.tables[name].items = defaultdict(
                dict, {key: _copied(each) for key, each in rows.items()}
            )
        dict.clear(self._bucket.keys)
        dict.update(self._bucket.keys, {key: list(versions) for key, versions in self._objects.items()})
        dict.clear(self._bucket.multiparts)
        dict.update(self._bucket.multiparts, self._uploads)
        self._batch._jobs.clear()
        for key, (job, state) in self._jobs.items():
            job.__dict__.update(copy.deepcopy(state))
            self._batch._jobs[key] = job
        for queue, jobs in self._queues.items():
            queue.jobs[:] = jobs
        self._secret.__dict__.clear()
        self._secret.__dict__.update(copy.deepcopy(self._keys))

    def _dispose_of_others(self, key: FakeKey) -> None:
        if id(key) not in self._kept:
            self._dispose(key)


def _shallow(table: Table) -> dict[Any, Any]:
    return {key: _copied(each) for key, each in table.items.items()}


def _copied(rows: Any) -> Any:
    """The rows of a partition; of a table without a range key it is one row."""
    return dict(rows) if isinstance(rows, dict) else rows


_update_item = DynamoDBBackend.update_item


def _updating_a_copy(backend: DynamoDBBackend, name: str, key: Any, *args: Any, **kwargs: Any) -> Item:
    table = backend.get_table(name)
    hash_key, range_key = backend.get_keys_value(table, key)
    if (row := table.get_item(hash_key, range_key)) is not None:
        rows, place = (table.items, hash_key) if range_key is None else (table.items[hash_key], range_key)
        rows[place] = copy.deepcopy(row)
    return _update_item(backend, name, key, *args, **kwargs)


def _state(job: Any) -> dict[str, Any]:
    """What changes of a job while it lives."""
    names = ("_state", "_times", "status_reason", "stop", "job_stopped", "job_stopped_reason", "attempts")
    return copy.deepcopy({name: getattr(job, name) for name in names})
