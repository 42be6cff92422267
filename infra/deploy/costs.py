"""What a template costs: a month in which nothing happens, and an hour of training."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .prices import HOURS_A_MONTH, Price, Prices

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}
_COUNTED = {
    "AWS::SecretsManager::Secret": ("secrets", "secret-month"),
    "AWS::CloudWatch::Dashboard": ("dashboards", "dashboard-month"),
    "AWS::KMS::Key": ("keys", "key-month"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """A line of the bill.

    Attributes:
        what: what is paid for.
        count: how much of it.
        price: of one.
    """

    what: str
    count: float
    price: Price

    @property
    def usd(self) -> float:
        return self.count * self.price.usd


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingHour:
    """An hour on one machine with its disk and its public address, in US dollars.

    Attributes:
        kind: the instance type.
        on_demand: None where nobody knows the price.
        spot: None where there is no Spot price.
        is_current: whether the on-demand price came from the Pricing API.
    """

    kind: str
    on_demand: float | None
    spot: float | None
    is_current: bool


def idle_month(template: Mapping[str, Any], prices: Prices, images_bytes: int = 0) -> list[Item]:
    """What an idle month costs, without what is stored and without free tiers.

    Args:
        template: the template that is deployed.
        prices: of the stage's region.
        images_bytes: of the images in the repositories; 0 where none are built yet.
    """
    kinds = Counter(each["Type"] for each in template["Resources"].values())
    items = [
        Item(what=label, count=kinds[kind], price=prices.of(name))
        for kind, (label, name) in _COUNTED.items()
        if kinds[kind]
    ]
    return [
        *items,
        *_alarms(template, prices),
        *_functions(template, prices),
        _images(kinds, prices, images_bytes),
    ]


def _alarms(template: Mapping[str, Any], prices: Prices) -> Iterator[Item]:
    """Each by the metrics that it watches: one, or those of its expression."""
    watched = sum(
        sum("MetricStat" in metric for metric in each["Properties"].get("Metrics", [])) or 1
        for each in template["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Alarm"
    )
    if watched:
        yield Item(what="metrics of alarms", count=watched, price=prices.of("alarm-month"))


def _images(kinds: Counter[str], prices: Prices, images_bytes: int) -> Item:
    gigabytes = images_bytes / 1e9 or (
        prices.assumed["imageGigabytes"] if kinds["AWS::ECR::Repository"] else 0
    )
    return Item(what="GB of container images", count=gigabytes, price=prices.of("image-gb-month"))


def _functions(template: Mapping[str, Any], prices: Prices) -> Iterator[Item]:
    """The functions that run by the clock, and Lambda's own asking of empty queues."""
    runs = seconds = queues = 0.0
    default = template.get("Globals", {}).get("Function", {})
    for function in template["Resources"].values():
        if function["Type"] != "AWS::Serverless::Function":
            continue
        properties = {**default, **function["Properties"]}
        events = properties.get("Events", {}).values()
        monthly = sum(_runs_a_month(event) for event in events)
        queues += sum(event["Type"] == "SQS" for event in events)
        runs += monthly
        seconds += monthly * _gigabyte_seconds(properties, prices)
    if runs:
        yield Item(what="scheduled invocations", count=runs, price=prices.of("function-request"))
        yield Item(what="GB-seconds of them", count=seconds, price=prices.of("function-gb-second"))
    if queues:
        polls = queues * prices.assumed["pollersPerQueue"] * HOURS_A_MONTH * 3600
        requests = polls / prices.assumed["pollSeconds"]
        yield Item(what="requests to empty queues", count=requests, price=prices.of("queue-request"))


def _gigabyte_seconds(properties: Mapping[str, Any], prices: Prices) -> float:
    """Of one invocation; a memory size that is a reference counts as the default."""
    size = properties.get("MemorySize")
    megabytes = size if isinstance(size, int) else prices.assumed["defaultMemoryMegabytes"]
    return prices.assumed["invocationSeconds"] * megabytes / 1024


def _runs_a_month(event: Mapping[str, Any]) -> float:
    expression = event.get("Properties", {}).get("Schedule")
    if event["Type"] not in ("Schedule", "ScheduleV2") or not isinstance(expression, str):
        return 0
    found = _RATE.fullmatch(expression)
    return HOURS_A_MONTH * 60 / (int(found[1]) * _MINUTES[found[2]]) if found else 0


def training_hours(
    template: Mapping[str, Any], parameters: Mapping[str, str], prices: Prices
) -> list[TrainingHour]:
    """An hour on each kind of machine that the training's compute environments may start, cheapest first."""
    gigabytes = float(_parameter(template, parameters, "ScratchGiB") or prices.assumed["diskGigabytes"])
    disk = gigabytes * prices.of("disk-gb-month").usd / HOURS_A_MONTH
    beside = disk + prices.of("address-hour").usd
    hours = []
    for kind in instance_types(template, parameters):
        on_demand, spot = prices.instance_hour(kind), prices.spot_hour(kind)
        hours.append(
            TrainingHour(
                kind=kind,
                on_demand=on_demand.usd + beside if on_demand else None,
                spot=spot.usd + beside if spot else None,
                is_current=on_demand is not None and on_demand.is_current,
            )
        )
    return sorted(hours, key=lambda each: each.on_demand or float("inf"))


def instance_types(template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[str]:
    """Of a family, the size with one GPU and the fewest processors, which Batch takes where it fits."""
    named = [
        kind
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Batch::ComputeEnvironment"
        for kind in _listed(
            each["Properties"]["ComputeResources"].get("InstanceTypes", []), template, parameters
        )
    ]
    return list(dict.fromkeys(kind if "." in kind else f"{kind}.xlarge" for kind in named))


def _listed(value: Any, template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[str]:
    """A list, or a parameter that is split at a separator."""
    if isinstance(value, Mapping):
        separator, reference = value["Fn::Split"]
        return _parameter(template, parameters, reference["Ref"]).split(separator)
    return list(value)


def _parameter(template: Mapping[str, Any], parameters: Mapping[str, str], name: str) -> str:
    """A parameter's value in this stage; nothing where the template has none of that name."""
    default = template.get("Parameters", {}).get(name, {}).get("Default", "")
    return str(parameters.get(name, default))


def stored(prices: Prices) -> list[Item]:
    """What each gigabyte costs a month that users bring; tables are backed up continuously."""
    names = {
        "GB of images and results": "object-gb-month",
        "GB of records": "table-gb-month",
        "GB of their backups": "backup-gb-month",
    }
    return [Item(what=what, count=1, price=prices.of(name)) for what, name in names.items()]


def image_build(template: Mapping[str, Any], prices: Prices) -> Item | None:
    """One build of the container images; None where the template builds none."""
    for each in template["Resources"].values():
        if each["Type"] == "AWS::CodeBuild::Project":
            price = prices.build_minute(each["Properties"]["Environment"]["ComputeType"])
            return Item(what="minutes of the image build", count=prices.assumed["buildMinutes"], price=price)
    return None
