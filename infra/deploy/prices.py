"""List prices: those of the Pricing API, or of a dated table where it doesn't say."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .account import Clients

#: The Pricing API is not everywhere; it knows the prices of all regions of its partition.
API_REGION = "us-east-1"
HOURS_A_MONTH = 730
_TABLE = json.loads((Path(__file__).parent / "prices.json").read_text())
_LINUX = {
    "ServiceCode": "AmazonEC2",
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """US dollars for one unit.

    Attributes:
        is_current: whether the Pricing API said so, for this region; otherwise the table did, for its own.
    """

    usd: float
    is_current: bool


class Prices:
    """Prices of one region; each is asked for once.

    Args:
        clients: AWS, or None to read the table only.
    """

    def __init__(self, clients: Clients | None, region: str) -> None:
        self._clients = clients
        self._region = region
        self._known: dict[str, Price] = {}
        self._answers = clients is not None

    @property
    def table_date(self) -> str:
        """The year and month of the table."""
        return str(_TABLE["asOf"])

    @property
    def table_region(self) -> str:
        return str(_TABLE["region"])

    @property
    def assumed(self) -> Mapping[str, float]:
        """What a cost depends on and no price list knows; named with its unit."""
        return _TABLE["assumed"]

    def of(self, what: str) -> Price:
        """The price of something in the table, for what its name says."""
        row = _TABLE["prices"][what]
        return self._priced(what, row["query"], row["unit"], row["usd"])

    def build_minute(self, machine: str) -> Price:
        """A minute of CodeBuild on a machine that it calls by such a name; always the table's."""
        return Price(usd=_TABLE["buildMinutes"][machine], is_current=False)

    def instance_hour(self, kind: str) -> Price | None:
        """An hour of an instance on demand; None where nobody knows."""
        known = _TABLE["instances"].get(kind)
        found = self._priced(f"instance {kind}", {**_LINUX, "instanceType": kind}, "Hrs", known or 0)
        return found if found.usd else None

    def spot_hour(self, kind: str) -> Price | None:
        """An hour of an instance on Spot now, in the cheapest zone; None where there is no price."""
        if self._clients is None:
            return None
        try:
            found = self._clients("ec2").describe_spot_price_history(
                InstanceTypes=[kind], ProductDescriptions=["Linux/UNIX"], StartTime=datetime.now(UTC)
            )["SpotPriceHistory"]
        except (ClientError, BotoCoreError):
            return None
        return Price(usd=min(float(each["SpotPrice"]) for each in found), is_current=True) if found else None

    def _priced(self, name: str, query: Mapping[str, str], unit: str, otherwise: float) -> Price:
        if name not in self._known:
            current = self._asked(query, unit)
            self._known[name] = Price(
                usd=otherwise if current is None else current, is_current=current is not None
            )
        return self._known[name]

    def _asked(self, query: Mapping[str, str], unit: str) -> float | None:
        """None where the API doesn't say; when it is out of reach or forbidden, it isn't asked again."""
        if self._clients is None or not self._answers:
            return None
        fields = {key: value for key, value in query.items() if key != "ServiceCode"} | {
            "regionCode": self._region
        }
        filters = [{"Type": "TERM_MATCH", "Field": key, "Value": value} for key, value in fields.items()]
        try:
            found = self._clients("pricing", API_REGION).get_products(
                ServiceCode=query["ServiceCode"], Filters=filters, MaxResults=100
            )
        except (ClientError, BotoCoreError):
            self._answers = False
            return None
        return _single(found["PriceList"], unit)


def _single(products: list[str], unit: str) -> float | None:
    """The one price above zero that the products have for the first unit; None where they don't agree."""
    found = {price for product in products for price in _first_tier(json.loads(product), unit)}
    return found.pop() if len(found) == 1 else None


def _first_tier(product: Mapping[str, Any], unit: str) -> Iterator[float]:
    """A free tier costs nothing and is an offer's first range; then the next one is what is paid."""
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        paid = [each for each in term["priceDimensions"].values() if _paid(each, unit)]
        if paid:
            yield float(min(paid, key=lambda each: float(each["beginRange"]))["pricePerUnit"]["USD"])


def _paid(dimension: Mapping[str, Any], unit: str) -> bool:
    return dimension["unit"] == unit and float(dimension["pricePerUnit"].get("USD", 0)) > 0
