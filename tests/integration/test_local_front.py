"""The door in front of moto: what S3 refuses is refused here too."""

import base64
import gc
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote_plus

import pytest
import urllib3
from botocore.exceptions import ClientError
from moto.dynamodb.models.dynamo_type import Item
from moto.s3.models import FakeKey

from infra.local.aws import EmbeddedAws

PREFIX = "incoming/P/U/"
HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def bucket(stack: EmbeddedAws) -> str:
    return stack.outputs["Bucket"]


def _signed(stack: EmbeddedAws, bucket: str, *, expires: int = 600) -> dict:
    return stack.client("s3").generate_presigned_post(
        bucket,
        PREFIX + "${filename}",
        Conditions=[
            ["starts-with", "$key", PREFIX],
            ["starts-with", "$Content-Type", "image/"],
            ["content-length-range", 1, 1000],
        ],
        ExpiresIn=expires,
    )


def _post(signed: dict, body: bytes = b"x" * 10, **changes: str | None) -> urllib3.BaseHTTPResponse:
    fields = {"Content-Type": "image/png", **signed["fields"], "key": PREFIX + "I", **changes}
    form = [(name, value) for name, value in fields.items() if value is not None]
    return HTTP.request("POST", signed["url"], fields=[*form, ("file", ("a.png", body, "image/png"))])


def _code(response: urllib3.BaseHTTPResponse) -> str:
    return response.data.decode().partition("<Code>")[2].partition("</Code>")[0]


def test_an_upload_within_its_policy_is_stored(stack, bucket):
    """A right upload is answered 204, and the object has its bytes and its content type."""
    assert _post(_signed(stack, bucket), b"ten bytes!").status == 204
    found = stack.client("s3").get_object(Bucket=bucket, Key=PREFIX + "I")
    assert (found["Body"].read(), found["ContentType"]) == (b"ten bytes!", "image/png")


@pytest.mark.parametrize(
    ("changes", "body", "expected"),
    [
        ({"key": "incoming/P/other/I"}, b"x", (403, "AccessDenied")),
        ({"key": PREFIX[:-1]}, b"x", (403, "AccessDenied")),
        ({"Content-Type": "text/html"}, b"x", (403, "AccessDenied")),
        ({"Content-Type": None}, b"x", (403, "AccessDenied")),
        ({"acl": "public-read"}, b"x", (403, "AccessDenied")),
        ({}, b"x" * 1001, (400, "EntityTooLarge")),
        ({}, b"", (400, "EntityTooSmall")),
        ({"x-amz-signature": "0" * 64}, b"x", (403, "SignatureDoesNotMatch")),
        ({"x-amz-signature": None}, b"x", (400, "InvalidArgument")),
        ({"policy": None}, b"x", (403, "AccessDenied")),
        ({"x-amz-credential": "other/20260101/us-east-1/s3/aws4_request"}, b"x", (403, "InvalidAccessKeyId")),
        ({"key": PREFIX + "${filename}"}, b"x", (501, "NotImplemented")),
    ],
)
def test_an_upload_outside_its_policy_is_refused(stack, bucket, changes, body, expected):
    """Each breach of the policy has the status and the code that S3 gives it."""
    response = _post(_signed(stack, bucket), body, **changes)
    assert (response.status, _code(response)) == expected


def test_a_changed_policy_no_longer_fits_its_signature(stack, bucket):
    """A policy that the client widened is refused, whatever it allows."""
    signed = _signed(stack, bucket)
    policy = json.loads(base64.b64decode(signed["fields"]["policy"]))
    policy["conditions"] = [
        each for each in policy["conditions"] if each != ["content-length-range", 1, 1000]
    ]
    changed = base64.b64encode(json.dumps(policy).encode()).decode()
    assert _code(_post(signed, b"x" * 2000, policy=changed)) == "SignatureDoesNotMatch"


def test_an_expired_policy_is_refused(stack, bucket):
    """After its expiration a policy allows nothing."""
    response = _post(_signed(stack, bucket, expires=-1))
    assert (response.status, _code(response)) == (403, "AccessDenied")
    assert b"Policy expired" in response.data


def test_a_presigned_url_works_until_it_is_changed(stack, bucket):
    """A presigned GET of a key with spaces and accents works; the same URL for another key does not."""
    s3 = stack.client("s3")
    s3.put_object(Bucket=bucket, Key="projects/P/é + x", Body=b"secret")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "projects/P/é + x"})
    assert HTTP.request("GET", url).data == b"secret"
    assert _code(HTTP.request("GET", url.replace("/P/", "/Q/"))) == "SignatureDoesNotMatch"
    assert _code(HTTP.request("PUT", url, body=b"x")) == "SignatureDoesNotMatch"


def test_a_presigned_url_expires(stack, bucket):
    """A presigned URL is refused once its seconds have passed."""
    url = stack.client("s3").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    an_hour_ago = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y%m%dT%H%M%SZ")
    signed_at = url.partition("X-Amz-Date=")[2].partition("&")[0]
    assert b"Request has expired" in HTTP.request("GET", url.replace(signed_at, an_hour_ago)).data


def test_a_presigned_upload_is_bound_to_its_content_type(stack, bucket):
    """A presigned PUT that signed a content type is refused with another one."""
    parameters = {"Bucket": bucket, "Key": "projects/P/put", "ContentType": "image/png"}
    url = stack.client("s3").generate_presigned_url("put_object", Params=parameters)
    assert HTTP.request("PUT", url, body=b"x", headers={"Content-Type": "image/png"}).status == 200
    assert (
        _code(HTTP.request("PUT", url, body=b"x", headers={"Content-Type": "a/b"})) == "SignatureDoesNotMatch"
    )


def test_nobody_reads_the_bucket_unsigned(stack, bucket):
    """A request without any signature is refused."""
    response = HTTP.request("GET", f"{stack.endpoint_url}/{bucket}/{PREFIX}I")
    assert (response.status, _code(response)) == (403, "AccessDenied")


def test_an_incoming_object_is_announced_and_no_other(stack, bucket):
    """The ingest queue hears of incoming keys, URL-encoded, and not of what is stored elsewhere."""
    s3, sqs = stack.client("s3"), stack.client("sqs")
    url = stack.outputs["IngestQueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    s3.put_object(Bucket=bucket, Key="projects/P/images/x", Body=b"x")
    s3.put_object(Bucket=bucket, Key=PREFIX + "é + x", Body=b"x")
    messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    [record] = [record for message in messages for record in json.loads(message["Body"])["Records"]]
    key = record["s3"]["object"]["key"]
    assert (" " not in key, unquote_plus(key)) == (True, PREFIX + "é + x")


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads take turns so often that a read and a write rarely follow each other undisturbed."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_conditional_writes_are_atomic(stack):
    """Of many writers at a time with the same condition exactly one wins, each time."""
    table, client = stack.outputs["TablePrefix"] + "Users", stack.client("dynamodb")
    # Made when first asked for: by several threads at once it would be several classes.
    refused = client.exceptions.ConditionalCheckFailedException

    def claim(user_id: str) -> bool:
        try:
            client.put_item(
                TableName=table,
                Item={"UserID": {"S": user_id}},
                ConditionExpression="attribute_not_exists(UserID)",
            )
        except refused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        wins = [sum(pool.map(claim, [f"race-{turn}"] * 8)) for turn in range(10)]
    assert wins == [1] * 10


def _write_batch(stack: EmbeddedAws, count: int) -> dict:
    writes = [{"PutRequest": {"Item": {"UserID": {"S": f"batch-{number}"}}}} for number in range(count)]
    return stack.client("dynamodb").batch_write_item(
        RequestItems={stack.outputs["TablePrefix"] + "Users": writes}
    )


def test_a_batch_takes_25_writes_and_no_more(stack):
    """BatchWriteItem takes 25 items and refuses 26, as DynamoDB does."""
    assert _write_batch(stack, 25)["UnprocessedItems"] == {}
    with pytest.raises(ClientError, match="ValidationException"):
        _write_batch(stack, 26)


def test_what_is_read_or_deleted_is_not_kept(stack):
    """Rows that were only read and objects that are gone take no room in the embedded AWS."""
    dynamodb, s3 = stack.client("dynamodb"), stack.client("s3")
    table, bucket = stack.outputs["TablePrefix"] + "Users", stack.outputs["Bucket"]
    dynamodb.put_item(TableName=table, Item={"UserID": {"S": "read often"}})

    def use() -> None:
        for _ in range(20):
            dynamodb.get_item(TableName=table, Key={"UserID": {"S": "read often"}})
            s3.put_object(Bucket=bucket, Key="gone", Body=b"x")
            s3.delete_object(Bucket=bucket, Key="gone")

    def kept() -> int:
        gc.collect()
        # Their types alone: to ask some objects of torch's for their class is to be warned.
        return sum(type(each) in (Item, FakeKey) for each in gc.get_objects())

    use()
    before = kept()
    use()
    assert kept() - before < 5
