"""What a deployment is said to cost."""

import json
from pathlib import Path

import boto3
import pytest
from botocore.stub import ANY, Stubber

from infra.deploy.costs import idle_month, image_build, training_hours
from infra.deploy.prices import Prices

TABLE = json.loads((Path(__file__).parents[3] / "infra" / "deploy" / "prices.json").read_text())


def template(**resources) -> dict:
    return {"Resources": resources}


def test_an_idle_month_is_counted_from_the_template():
    """Each secret, each alarm and what runs by the clock costs its price; users' data is not in it."""
    function = {
        "MemorySize": 512,
        "Events": {
            "Sweep": {"Type": "Schedule", "Properties": {"Schedule": "rate(5 minutes)"}},
            "Ingest": {"Type": "SQS"},
        },
    }
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"MetricName": "Errors"}}
    found = idle_month(
        template(
            Secret={"Type": "AWS::SecretsManager::Secret"},
            One=alarm,
            Two=alarm,
            Sweep={"Type": "AWS::Serverless::Function", "Properties": function},
        ),
        Prices(None, "us-east-1"),
    )
    counts = {item.what: item.count for item in found}
    runs = 730 * 60 / 5
    assert counts["secrets"] == 1
    assert counts["metrics of alarms"] == 2
    assert counts["scheduled invocations"] == runs
    assert counts["GB-seconds of them"] == pytest.approx(runs * TABLE["assumed"]["invocationSeconds"] / 2)
    assert counts["requests to empty queues"] == 5 * 730 * 3600 / 20
    assert counts["GB of container images"] == 0
    usd = {item.what: item.usd for item in found}
    assert usd["secrets"] + usd["metrics of alarms"] == pytest.approx(0.40 + 2 * 0.10)


def test_an_alarm_costs_what_it_watches():
    """CloudWatch bills an alarm by metrics, and its expression is none."""
    metrics = [{"Id": "all", "Expression": "SUM([a, b])"}, *({"Id": each, "MetricStat": {}} for each in "ab")]
    alarm = {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Metrics": metrics}}
    [item] = [
        each
        for each in idle_month(template(One=alarm), Prices(None, "us-east-1"))
        if each.what == "metrics of alarms"
    ]
    assert (item.count, item.usd) == (2, pytest.approx(0.20))


def test_the_images_that_are_there_count_with_their_size():
    """Until there are images their size is assumed; then it is known."""
    repository, prices = template(One={"Type": "AWS::ECR::Repository"}), Prices(None, "us-east-1")
    [assumed] = idle_month(repository, prices)
    [known] = idle_month(repository, prices, images_bytes=7_000_000_000)
    assert (assumed.count, known.count) == (TABLE["assumed"]["imageGigabytes"], 7)


def test_an_image_build_costs_what_its_machine_costs():
    """The machine is the template's; a template without a project builds nothing."""
    properties = {"Environment": {"ComputeType": "BUILD_GENERAL1_LARGE"}}
    project = {"Type": "AWS::CodeBuild::Project", "Properties": properties}
    prices = Prices(None, "us-east-1")
    assert image_build(template(Build=project), prices).usd == pytest.approx(15 * 0.02)
    assert image_build(template(), prices) is None


def machines(*kinds: str) -> dict:
    """A compute environment of these instance types."""
    properties = {"ComputeResources": {"InstanceTypes": list(kinds)}}
    return {"Type": "AWS::Batch::ComputeEnvironment", "Properties": properties}


def product(unit: str, *ranges: tuple[str, str]) -> str:
    """An offer as the Pricing API gives it: beginnings of ranges, and prices."""
    dimensions = {
        str(index): {"unit": unit, "beginRange": begin, "pricePerUnit": {"USD": usd}}
        for index, (begin, usd) in enumerate(ranges)
    }
    return json.dumps({"terms": {"OnDemand": {"one": {"priceDimensions": dimensions}}}})


@pytest.fixture
def aws():
    """Clients whose answers are queued."""
    made = {
        service: boto3.client(service, "eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
        for service in ("pricing", "ec2")
    }
    stubbers = {service: Stubber(client) for service, client in made.items()}
    for stubber in stubbers.values():
        stubber.activate()
    yield (lambda service, region=None: made[service]), stubbers
    for stubber in stubbers.values():
        stubber.assert_no_pending_responses()


def test_todays_prices_go_before_the_table(aws):
    """The Pricing API is asked for the region; the free first range of an offer is passed over."""
    clients, stubbers = aws
    expected = {"ServiceCode": "AWSLambda", "Filters": ANY, "MaxResults": 100}
    offer = product("Requests", ("0", "0.0"), ("1000000", "0.0000003"), ("9000000", "0.0000001"))
    stubbers["pricing"].add_response("get_products", {"PriceList": [offer]}, expected)
    prices = Prices(clients, "eu-west-1")
    assert prices.of("function-request").usd == 0.0000003
    assert prices.of("function-request").is_current  # and isn't asked for again


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [product("Requests", ("0", "0.1")), product("Requests", ("0", "0.2"))],
        [product("Other", ("0", "0.1"))],
    ],
    ids=["nothing", "two prices", "another unit"],
)
def test_an_answer_that_says_no_one_price_is_none(aws, answer):
    """Where the API gives no single price in the unit that is meant, the table's counts."""
    clients, stubbers = aws
    stubbers["pricing"].add_response("get_products", {"PriceList": answer})
    price = Prices(clients, "eu-west-1").of("queue-request")
    assert (price.usd, price.is_current) == (0.0000004, False)


def test_who_may_not_ask_for_prices_has_the_table(aws):
    """A refusal is the end of asking; the table knows the machines, but not what Spot costs."""
    clients, stubbers = aws
    stubbers["pricing"].add_client_error("get_products", "AccessDeniedException")
    stubbers["ec2"].add_client_error("describe_spot_price_history", "UnauthorizedOperation")
    [hour] = training_hours(
        template(One=machines("g5"), Two=machines("g5")), {}, Prices(clients, "eu-west-1")
    )
    assert (hour.kind, hour.spot, hour.is_current) == ("g5.xlarge", None, False)
    assert hour.on_demand == pytest.approx(1.006 + 100 * 0.08 / 730 + 0.005)


def test_spot_is_what_the_cheapest_zone_asks(aws):
    """Of the zones' prices the lowest counts, and disk and address are on top of it."""
    clients, stubbers = aws
    stubbers["pricing"].add_client_error("get_products", "AccessDeniedException")
    history = [{"SpotPrice": "0.31"}, {"SpotPrice": "0.29"}]
    stubbers["ec2"].add_response("describe_spot_price_history", {"SpotPriceHistory": history})
    [hour] = training_hours(template(One=machines("g6.2xlarge")), {}, Prices(clients, "eu-west-1"))
    assert hour.spot == pytest.approx(0.29 + 100 * 0.08 / 730 + 0.005)


def test_machines_and_disk_are_those_of_the_stages_parameters():
    """Where the template leaves types and disk to parameters, the stage's values count, then defaults."""
    whole = template(One=machines())
    types = {"Fn::Split": [",", {"Ref": "Types"}]}
    whole["Resources"]["One"]["Properties"]["ComputeResources"]["InstanceTypes"] = types
    whole["Parameters"] = {"Types": {"Default": "g5.xlarge,g6.xlarge"}, "ScratchGiB": {"Default": 100}}
    prices = Prices(None, "us-east-1")
    hours = training_hours(whole, {}, prices)
    assert [hour.kind for hour in hours] == ["g6.xlarge", "g5.xlarge"]
    [hour] = training_hours(whole, {"Types": "g4dn.xlarge", "ScratchGiB": "500"}, prices)
    assert hour.on_demand == pytest.approx(0.526 + 500 * 0.08 / 730 + 0.005)
