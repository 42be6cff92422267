"""What a destroyed stage leaves where its data is protected, and what that costs while nothing is done."""

from dataclasses import dataclass

from . import inventory
from .account import Account
from .inventory import Inventory
from .prices import Prices
from .stage import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Data without a stack.

    Attributes:
        tables: how many.
        bucket: its name; empty where there is none.
        objects: what is in it.
        usd: a month; DynamoDB tells the size of its tables some hours late.
    """

    tables: int
    bucket: str
    objects: inventory.Objects
    usd: float

    def __str__(self) -> str:
        parts = [f"{self.tables} table{'s' * (self.tables > 1)}"] if self.tables else []
        if self.bucket:
            parts.append(f"the bucket {self.bucket} ({self.objects})")
        least = "" if self.objects.is_all else "at least "
        cost = f"{least}{self.usd:,.2f} USD a month" if self.usd >= 0.01 else "less than a cent a month"
        return f"{' and '.join(parts)}, at {cost}"


def measure(account: Account, stage: Stage, there: Inventory) -> Kept:
    """Counts and prices what is left of a stage's data."""
    dynamodb, prices = account.clients("dynamodb"), Prices(account.clients, stage.region)
    bucket = stage.bucket if stage.bucket in there.buckets else ""
    objects = inventory.objects(account.clients("s3"), stage, bucket) if bucket else inventory.Objects()
    rows = sum(
        dynamodb.describe_table(TableName=each)["Table"].get("TableSizeBytes", 0) for each in there.tables
    )
    a_table = prices.of("table-gb-month").usd + prices.of("backup-gb-month").usd
    usd = (rows * a_table + objects.size_bytes * prices.of("object-gb-month").usd) / 1e9
    return Kept(tables=len(there.tables), bucket=bucket, objects=objects, usd=usd)
