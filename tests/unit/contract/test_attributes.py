"""Python values to DynamoDB and back."""

import math
from dataclasses import fields
from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.contract import records
from chalicelib.contract.attributes import (
    attribute_name,
    from_item,
    marshal,
    marshal_value,
    to_item,
    unmarshal,
    unmarshal_value,
)
from tests.support import make_image, make_session

WHOLE = st.integers(-(10**37), 10**37)
# DynamoDB holds magnitudes from 1e-130 to under 1e126.
REAL = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e125, max_value=1e125).filter(
    lambda x: x == 0 or abs(x) >= 1e-130
)
PLAIN = st.none() | st.booleans() | st.text() | WHOLE | REAL | st.binary()
VALUES = st.recursive(
    PLAIN | st.sets(st.text(), min_size=1),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def _decimal(value):
    """As boto3 wants its numbers."""
    match value:
        case float():
            return Decimal(repr(value))
        case list():
            return [_decimal(each) for each in value]
        case dict():
            return {key: _decimal(each) for key, each in value.items()}
    return value


@given(VALUES)
def test_values_come_back(value):
    """Whatever DynamoDB can hold comes back equal."""
    assert unmarshal_value(marshal_value(value)) == value


@given(REAL)
def test_floats_come_back_bit_by_bit(value):
    """A float comes back as that very float, not as a Decimal."""
    back = unmarshal_value(marshal_value(value))
    # DynamoDB has one zero.
    assert (type(back), back.hex()) == (float, (value + 0.0).hex())


@given(VALUES)
def test_boto3_reads_what_we_write(value):
    """boto3's own deserializer finds the same value in our attribute."""

    def plain(found):
        match found:
            case list():
                return [plain(each) for each in found]
            case dict():
                return {key: plain(each) for key, each in found.items()}
        return found.value if hasattr(found, "value") else found

    assert plain(TypeDeserializer().deserialize(marshal_value(value))) == _decimal(value)


@given(VALUES)
def test_we_read_what_boto3_writes(value):
    """We find the same value in the attribute of boto3's own serializer."""
    assert unmarshal_value(TypeSerializer().serialize(_decimal(value))) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(value):
    """DynamoDB has no such number, so writing one is an error here, not there."""
    with pytest.raises(ValueError, match="cannot hold"):
        marshal_value(value)


@pytest.mark.parametrize("tiny", [1e-131, 5e-324, -1e-200])
def test_numbers_too_small_for_dynamodb_are_nought(tiny):
    """DynamoDB refuses a magnitude under 1e-130: it is written as 0."""
    assert unmarshal_value(marshal_value(tiny)) == 0


def test_unknown_types_are_refused():
    """A type that DynamoDB has no form for is an error."""
    with pytest.raises(TypeError, match="object"):
        marshal_value(object())


def test_none_is_left_out_of_an_item():
    """An attribute without a value isn't written; inside a list it is kept."""
    assert marshal({"A": None, "B": [None]}) == {"B": {"L": [{"NULL": True}]}}
    assert unmarshal({"B": {"L": [{"NULL": True}]}}) == {"B": [None]}


@pytest.mark.parametrize(
    "record",
    [
        make_image("P", aliases=frozenset({"a", "b"}), reject_reason={"code": "c", "message": "m"}),
        make_session(metrics={"epoch": 1, "valLoss": 0.5}, progress=12.5, attempt=2),
    ],
    ids=["image", "session"],
)
def test_records_come_back(record):
    """A record comes back equal, its status as the enumeration that it is."""
    back = from_item(type(record), to_item(record))
    assert back == record
    assert type(back.status) is type(record.status)


def test_attributes_of_a_later_release_are_passed_over():
    """An attribute that the record doesn't name is no error."""
    image = make_image("P")
    assert from_item(records.Image, to_item(image) | {"Later": {"S": "x"}}) == image


def _names(kind: type) -> set[str]:
    return {attribute_name(each) for each in fields(kind)}


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (records.User, "UserID Username Email PasswordHash TokenVersion CreatedAt"),
        (
            records.Project,
            "ProjectID UserID ProjectName Description TaskType CurrentConfigID CreatedAt DeletedAt",
        ),
        (
            records.Image,
            "ProjectID ImageID FilePath UploadTime FileName ContentType SizeBytes Width Height Sha256 ETag"
            " Status RejectReason UploadID",
        ),
        (records.Label, "ProjectID LabelID ImageID Label UpdatedAt"),
        (
            records.Configuration,
            "ProjectID ConfigID LearningRate Epochs BatchSize OtherParameters CreatedAt",
        ),
        (
            records.Session,
            "ProjectID SessionID ConfigID Status StartTime EndTime Progress Phase Metrics JobID Attempt"
            " Generation HeartbeatAt FailureReason ResultsKey UserID",
        ),
        (records.EpochMetrics, "SessionID Epoch"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_tables_have_the_attributes_of_the_schema(kind, schema):
    """Each attribute of the schema is there, to the letter."""
    assert set(schema.split()) <= _names(kind)
