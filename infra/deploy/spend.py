"""What a stage has cost, by Cost Explorer: what bears its tags."""

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from botocore.exceptions import ClientError

from .account import code_of
from .errors import AccountError
from .stage import Stage

#: Cost Explorer is one service for all regions of its partition.
REGION = "us-east-1"
_DENIED = ("AccessDenied", "AccessDeniedException")


def by_service(cost_explorer: Any, stage: Stage, months: int, today: date) -> dict[str, dict[str, float]]:
    """US dollars by month (2026-11) and service, of the last months with the present one.

    AWS takes one cent for each page of the answer, and is up to a day behind.

    Raises:
        AccountError: Cost Explorer is off, or doesn't know the tags yet.
    """
    _check_tags(cost_explorer, stage)
    first = today.replace(day=1)
    for _ in range(months - 1):
        first = (first - timedelta(days=1)).replace(day=1)
    found: dict[str, dict[str, float]] = {}
    for period in _periods(cost_explorer, stage, first, today + timedelta(days=1)):
        costs: dict[str, float] = defaultdict(float)
        for group in period["Groups"]:
            costs[group["Keys"][0]] += float(group["Metrics"]["UnblendedCost"]["Amount"])
        found.setdefault(period["TimePeriod"]["Start"][:7], {}).update(costs)
    return found


def _periods(cost_explorer: Any, stage: Stage, first: date, end: date) -> list[Mapping[str, Any]]:
    question = {
        "TimePeriod": {"Start": first.isoformat(), "End": end.isoformat()},
        "Granularity": "MONTHLY",
        "Metrics": ["UnblendedCost"],
        # As the budget of infra/template.yaml: other projects may have a tag Stage too.
        "Filter": {
            "And": [
                {"Tags": {"Key": key, "Values": [value], "MatchOptions": ["EQUALS"]}}
                for key, value in stage.tags.items()
            ]
        },
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
    }
    answer = cost_explorer.get_cost_and_usage(**question)
    periods = list(answer["ResultsByTime"])
    while token := answer.get("NextPageToken"):
        answer = cost_explorer.get_cost_and_usage(**question, NextPageToken=token)
        periods += answer["ResultsByTime"]
    return periods


def _check_tags(cost_explorer: Any, stage: Stage) -> None:
    try:
        tags = cost_explorer.list_cost_allocation_tags(TagKeys=[*stage.tags])["CostAllocationTags"]
    except ClientError as error:
        if code_of(error) in _DENIED:
            # An organisation's tags are its management account's; its members may read their costs.
            return
        if code_of(error) != "DataUnavailableException":
            raise
        raise AccountError(
            "Cost Explorer has no data yet: it is off until the console's first visit, then takes a day.",
            stage.make("cost"),
        ) from error
    active = {each["TagKey"] for each in tags if each["Status"] == "Active"}
    if missing := [key for key in stage.tags if key not in active]:
        raise AccountError(
            f"Bills don't show by tag yet: {' and '.join(missing)}. AWS offers a tag a day after the first"
            " deploy, and shows what is spent from its activation on.",
            "aws ce update-cost-allocation-tags-status --cost-allocation-tags-status"
            f"{''.join(f' TagKey={key},Status=Active' for key in missing)}",
        )
