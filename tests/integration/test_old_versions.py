"""What deleting leaves in a bucket that keeps old versions."""

import pytest

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.s3 import S3ObjectStore
from infra.local.aws import embedded_aws

PREFIX = "projects/P/"


@pytest.fixture(scope="module")
def versioned():
    with embedded_aws(
        "darkroom-versioned", parameters={"ObjectVersioning": "Enabled", "RecoveryDays": "3"}
    ) as aws:
        yield aws


@pytest.fixture
def store(versioned, monkeypatch):
    for name, value in versioned.credentials.items():
        monkeypatch.setenv(name, value)
    return S3ObjectStore(Aws(), versioned.outputs["Bucket"])


# moto lists versions by copying them, and forgets to dispose of the copies.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_removed_object_is_out_of_sight_at_once_and_gone_after_the_days(versioned, store):
    """Of deleted and overwritten objects only old versions and markers stay, which the bucket expires."""
    client, bucket = versioned.client("s3"), versioned.outputs["Bucket"]
    keys = [f"{PREFIX}images/{number}" for number in range(3)]
    for key in (*keys, keys[0]):
        store.put(key, b"image", "image/png")
    store.delete(each.key for each in list(store.list(PREFIX)))
    assert list(store.list(PREFIX)) == []
    assert store.get(keys[0], 100) is None
    left = client.list_object_versions(Bucket=bucket, Prefix=PREFIX)
    assert [each["IsLatest"] for each in left["Versions"]] == [False] * 4
    assert {each["Key"] for each in left["DeleteMarkers"] if each["IsLatest"]} == set(keys)
    rules = client.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    [old] = [each for each in rules if each["ID"] == "ForgetOldVersions"]
    assert (old["Status"], old["Prefix"]) == ("Enabled", "")
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": 3}
    assert old["Expiration"] == {"ExpiredObjectDeleteMarker": True}
