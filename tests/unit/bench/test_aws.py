"""The simulated AWS: limits, pages and objects, beside the embedded one where both can be asked."""

import pytest
from botocore.exceptions import ClientError

from bench.aws import Killed, SimulatedAws
from bench.world import PREFIX
from chalicelib.adapters.aws import Aws
from chalicelib.adapters.dynamodb import Tables
from chalicelib.adapters.large_objects import S3LargeObjects
from chalicelib.adapters.s3 import S3ObjectStore
from chalicelib.contract.attributes import marshal
from chalicelib.contract.tables import IMAGES, LABELS
from tests.support import new_id


@pytest.fixture
def aws(simulated: SimulatedAws) -> Aws:
    return simulated.attach(Aws())


@pytest.fixture(params=["simulated", "embedded"])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Aws, str, str]:
    """Clients, the prefix of the tables and the bucket, of each of the two."""
    if request.param == "simulated":
        return request.getfixturevalue("aws"), PREFIX, "bench"
    stack = request.getfixturevalue("stack")
    for name, value in stack.credentials.items():
        monkeypatch.setenv(name, value)
    return Aws(), stack.outputs["TablePrefix"], stack.outputs["Bucket"]


@pytest.fixture
def tables(world) -> Tables:
    return Tables(world[0], world[1])


def _item(project_id: str, number: int, **attributes) -> dict:
    key = {"ProjectID": project_id, "ImageID": f"{number:04}"}
    return marshal(key | attributes)


def _fill(tables: Tables, project_id: str, count: int, **attributes) -> None:
    tables.put_many(IMAGES, [_item(project_id, number, **attributes) for number in range(count)])


def _keys(tables: Tables, project_id: str, condition: str, values: dict, **options) -> list[int]:
    condition = f"#ProjectID = :p{condition}"
    found = tables.query(IMAGES, condition, {"p": project_id} | values, **options)
    return [int(each["ImageID"]["S"]) for each in found]


@pytest.mark.parametrize(
    ("condition", "values", "options", "expected"),
    [
        ("", {}, {}, [0, 1, 2, 3, 4, 5]),
        ("", {}, {"descending": True, "limit": 2}, [5, 4]),
        (" AND #ImageID BETWEEN :a AND :b", {"a": "0001", "b": "0003"}, {}, [1, 2, 3]),
        (" AND #ImageID > :a", {"a": "0003"}, {"limit": 1}, [4]),
        (" AND #ImageID >= :a", {"a": "0004"}, {}, [4, 5]),
        (" AND #ImageID < :a", {"a": "0002"}, {"descending": True}, [1, 0]),
        (" AND #ImageID <= :a", {"a": "0001"}, {}, [0, 1]),
        ("", {"n": 3}, {"where": "#Number >= :n AND attribute_exists(#Width)"}, []),
        ("", {"n": 3, "m": 4}, {"where": "#Number IN (:n, :m)"}, [3, 4]),
        ("", {"n": 2, "m": 5}, {"where": "NOT (#Number > :n AND #Number < :m)"}, [0, 1, 2, 5]),
        ("", {"t": "b"}, {"where": "contains(#Tags, :t) OR #Inner.#code = :t"}, [1, 2]),
        ("", {"t": "00"}, {"where": "begins_with(#Name, :t)"}, [0, 1, 2, 3, 4, 5]),
        ("", {"t": "x"}, {"where": "#Missing <> :t"}, [0, 1, 2, 3, 4, 5]),
    ],
)
def test_queries_find_the_same(tables, condition, values, options, expected):
    """Key conditions, filters, order and limits give the same rows in both."""
    project_id = new_id()
    for number in range(6):
        item = _item(project_id, number, Number=number, Name=f"{number:04}")
        more = {1: {"Tags": {"a", "b"}}, 2: {"Inner": {"code": "b"}}}.get(number, {})
        assert tables.put(IMAGES, item | marshal(more))
    assert _keys(tables, project_id, condition, values, **options) == expected


def test_updates_change_the_same(tables):
    """SET, REMOVE and ADD, with a condition that holds and with one that doesn't."""
    project_id = new_id()
    key = {"ProjectID": project_id, "ImageID": "0000"}
    tables.put(IMAGES, marshal(key | {"Old": "x", "Count": 1, "Tags": {"a"}}))
    change = "SET #New = :new REMOVE #Old ADD #Count :one, #Tags :tags"
    values = {"new": "y", "one": 2, "tags": {"b"}, "x": "x"}
    assert tables.update(IMAGES, key, change, "#Old = :x", values)
    assert not tables.update(IMAGES, key, "SET #New = :x", "#Old = :x", {"x": "x"})
    found = tables.get(IMAGES, key)
    assert found == marshal(key | {"Count": 3, "New": "y", "Tags": {"a", "b"}}) | {"Tags": found["Tags"]}
    assert set(found["Tags"]["SS"]) == {"a", "b"}


def test_a_page_ends_after_a_megabyte(tables, world):
    """Rows of 90 KB come eleven a page, in both."""
    project_id = new_id()
    _fill(tables, project_id, 25, Name="x" * 90_000)
    sizes: list[int] = []
    world[0].dynamodb.meta.events.register(
        "after-call.dynamodb.Query", lambda parsed, **_: sizes.append(parsed["Count"])
    )
    assert _keys(tables, project_id, "", {}) == list(range(25))
    assert sizes[:2] == [11, 11]


def test_binary_values_come_back(tables):
    """Bytes are bytes again, read by key and by query."""
    project_id = new_id()
    _fill(tables, project_id, 1, Names=b"\x00\xff")
    [found] = tables.query(IMAGES, "#ProjectID = :p", {"p": project_id})
    assert found["Names"]["B"] == b"\x00\xff"


@pytest.fixture
def store(world) -> S3ObjectStore:
    return S3ObjectStore(world[0], world[2])


def test_objects_are_kept_listed_and_removed(store):
    """What is put is got and listed below its prefix in order, with its size, until it is deleted."""
    prefix = f"incoming/{new_id()}/"
    names = ["b", "a é+&", "c"]
    for name in names:
        store.put(prefix + name, name.encode(), "image/png")
    listed = list(store.list(prefix))
    assert [(each.key, each.size_bytes) for each in listed] == [
        (prefix + name, len(name.encode())) for name in sorted(names)
    ]
    assert store.get(prefix + "a é+&", 100) == "a é+&".encode()
    store.delete([prefix + "b", prefix + "a é+&", prefix + "gone"])
    assert [each.key for each in store.list(prefix)] == [prefix + "c"]
    assert store.get(prefix + "b", 100) is None


def test_a_list_goes_on_after_a_thousand(store, world):
    """The second page begins where the first ended."""
    if world[2] != "bench":
        pytest.skip("a thousand puts take the embedded AWS many seconds")
    prefix = f"incoming/{new_id()}/"
    for number in range(1001):
        store.put(f"{prefix}{number:04}", b"", "image/png")
    assert [each.key[-4:] for each in store.list(prefix)] == [f"{number:04}" for number in range(1001)]


def test_objects_are_sent_and_read_in_pieces(world):
    """A multipart upload becomes one object, of which ranges are read."""
    objects, key = S3LargeObjects(world[0], world[2]), f"transfers/{new_id()}/x"
    upload = objects.begin(key, "application/zip")
    part = b"0123456789" * 600_000
    parts = [objects.put_part(key, upload, number, each) for number, each in ((1, part), (2, b"end"))]
    objects.finish(key, upload, parts)
    body = world[0].s3.get_object(Bucket=world[2], Key=key, Range="bytes=5999998-6000001")["Body"].read()
    assert body == b"89en"


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("batch_write_item", {"RequestItems": {PREFIX + LABELS: []}}),
        (
            "batch_write_item",
            {
                "RequestItems": {
                    PREFIX + LABELS: [
                        {"DeleteRequest": {"Key": marshal({"ProjectID": "P", "LabelID": str(n)})}}
                        for n in range(26)
                    ]
                }
            },
        ),
        (
            "batch_get_item",
            {
                "RequestItems": {
                    PREFIX + IMAGES: {
                        "Keys": [marshal({"ProjectID": "P", "ImageID": str(n)}) for n in range(101)]
                    }
                }
            },
        ),
        (
            "put_item",
            {
                "TableName": PREFIX + IMAGES,
                "Item": marshal({"ProjectID": "P", "ImageID": "I", "FileName": "x" * 400_000}),
            },
        ),
    ],
    ids=["nothing", "26 writes", "101 reads", "a large item"],
)
def test_what_dynamodb_refuses_is_refused(aws, operation, request_):
    """Batches and items over DynamoDB's limits, which moto takes, are errors here."""
    with pytest.raises(ClientError, match="ValidationException"):
        getattr(aws.dynamodb, operation)(**request_)


def test_calls_are_counted_and_take_their_time(simulated, aws):
    """Each call is counted by its operation, and those of threads are under way at one moment."""
    simulated.latency_seconds = 0.02
    with simulated.counted() as calls:
        Tables(aws, PREFIX).put_many(IMAGES, [_item("P", number) for number in range(60)])
    assert calls == {"dynamodb.BatchWriteItem": 3}
    assert simulated.most_at_once == 3


def test_a_process_dies_at_the_call_that_it_was_told(simulated, aws):
    """The calls before have their effect, that one and those after it have none."""
    tables = Tables(aws, PREFIX)
    simulated.dies_at = 2
    tables.put(IMAGES, _item("P", 0))
    for _ in range(2):
        with pytest.raises(Killed):
            tables.put(IMAGES, _item("P", 1))
    simulated.dies_at = None
    assert _keys(tables, "P", "", {}) == [0]
