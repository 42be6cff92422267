"""infra/template.yaml: what is watched, and who is told; and the parameters of the stages."""

import json
import re
from pathlib import Path

import pytest

from app import app
from chalicelib.adapters.telemetry import NAMESPACE
from chalicelib.contract.states import TERMINAL, Status
from tests.infra_template import load_template, of_type

ROOT = Path(__file__).parents[3]
STAGES = ROOT / "infra" / "stages"
#: Sent by the CloudWatch agent of a training machine.
GPU = "nvidia_smi_utilization_gpu"


@pytest.fixture(scope="module")
def template() -> dict:
    return load_template()


@pytest.fixture(scope="module")
def widgets(template) -> dict[str, dict]:
    """The dashboard's widgets by their titles."""
    [dashboard] = of_type(template, "CloudWatch::Dashboard").values()
    body = re.sub(r"\$\{[^}]+\}", "x", dashboard["DashboardBody"]["Fn::Sub"])
    return {each["properties"]["title"]: each for each in json.loads(body)["widgets"]}


def test_somebody_is_told_of_every_alarm_and_of_no_silence(template):
    """Each alarm goes to the topic, to which an address subscribes if one is named; no data is no alarm."""
    for alarm in of_type(template, "CloudWatch::Alarm").values():
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopic"}]
        assert alarm["TreatMissingData"] == "notBreaching"
        assert alarm["AlarmDescription"]
    [subscription] = of_type(template, "SNS::Subscription").values()
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", {"Ref": "AlarmEmail"})
    assert template["Resources"]["AlarmSubscription"]["Condition"] == "HasAlarmEmail"


@pytest.mark.parametrize(
    ("name", "metric", "of"),
    [
        ("IngestDeadLetterAlarm", "ApproximateNumberOfMessagesVisible", "IngestDeadLetterQueue"),
        ("JobStateDeadLetterAlarm", "ApproximateNumberOfMessagesVisible", "JobStateDeadLetterQueue"),
        ("IngestAgeAlarm", "ApproximateAgeOfOldestMessage", "IngestQueue"),
        ("JobStateAgeAlarm", "ApproximateAgeOfOldestMessage", "JobStateQueue"),
        ("ApiErrorAlarm", "5XXError", "AWS::StackName"),
        ("StaleHeartbeatAlarm", "StaleHeartbeats", "AWS::StackName"),
        ("BlockedQueueAlarm", "TriggeredRules", "BlockedQueueRule"),
    ],
)
def test_an_alarm_looks_at_what_it_is_about(template, name, metric, of):
    """Dead letters, waiting messages, 5xx, silent runs and blocked queues each have an alarm of their own."""
    alarm = of_type(template, "CloudWatch::Alarm")[name]
    [dimension] = alarm["Dimensions"]
    [value] = dimension["Value"].values()
    assert alarm["MetricName"] == metric
    assert (value[0] if isinstance(value, list) else value) == of


def test_the_functions_whose_throttles_count_are_the_apps(template):
    """The throttles of the API and of the functions behind the queues are added up, by their real names."""
    metrics = of_type(template, "CloudWatch::Alarm")["ThrottleAlarm"]["Metrics"]
    stats = [each["MetricStat"]["Metric"] for each in metrics if "MetricStat" in each]
    assert {each["MetricName"] for each in stats} == {"Throttles"}
    names = {each["Dimensions"][0]["Value"]["Fn::Sub"].removeprefix("${AWS::StackName}-") for each in stats}
    assert names == {"api", "ingest", "job_state"}
    assert names - {"api"} <= set(app.handler_map)


def test_what_is_shown_of_ours_is_what_the_code_counts(widgets):
    """Every metric of the dashboard in the code's namespace has a name that some code counts under."""
    rows = [row for each in widgets.values() for row in each["properties"].get("metrics", [])]
    shown = {row[1] for row in rows if row[0] == NAMESPACE}
    files = (ROOT / "chalicelib" / "services").glob("*.py")
    counted = set(
        re.findall(r'(?:telemetry\.count|_repaired)\(f?"(\w+)', "".join(map(Path.read_text, files)))
    )
    active = {f"{status.capitalize()}Sessions" for status in Status if status not in TERMINAL}
    assert active < shown
    prefixes = tuple(counted)
    assert [name for name in shown - active - {GPU} if not name.startswith(prefixes)] == []


def test_the_dashboard_shows_what_operation_needs(widgets):
    """Requests and errors, latency, queue age, jobs by state, GPU utilisation, spend and alarms are there."""
    assert widgets.keys() >= {
        "Requests and errors",
        "Latency, milliseconds",
        "Oldest message, seconds",
        "Jobs by state",
        "GPU utilisation, percent",
        "Spend of the account this month, USD",
        "Alarms",
    }


def test_every_alarm_is_on_the_dashboard(template):
    """No alarm is left out of the dashboard's list."""
    body = of_type(template, "CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    assert set(re.findall(r"\$\{(\w+Alarm)\.Arn\}", body)) == set(of_type(template, "CloudWatch::Alarm"))


def test_the_agent_measures_what_the_dashboard_shows(template, widgets):
    """The machine's agent sends the GPUs' utilisation under the name and the dimension that are shown."""
    [launch] = of_type(template, "EC2::LaunchTemplate").values()
    script = launch["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]
    [agent] = re.findall(r"<<END\n(.*?)\n\s*END\n", script, re.DOTALL)
    metrics = json.loads(agent)["metrics"]
    assert metrics["namespace"] == NAMESPACE
    assert metrics["aggregation_dimensions"] == [["Stack"]]
    assert metrics["metrics_collected"]["nvidia_gpu"]["append_dimensions"] == {"Stack": "${AWS::StackName}"}
    names = {f"nvidia_smi_{each}" for each in metrics["metrics_collected"]["nvidia_gpu"]["measurement"]}
    rows = widgets["GPU utilisation, percent"]["properties"]["metrics"]
    assert {(row[0], row[1], row[2]) for row in rows} == {(NAMESPACE, GPU, "Stack")}
    assert GPU in names


def test_a_blocked_queue_is_told_with_its_reason(template):
    """Batch's event of a blocked queue, of these queues alone, goes to the topic in words."""
    rules = of_type(template, "Events::Rule")
    blocked, states = rules["BlockedQueueRule"], rules["JobStateRule"]
    assert blocked["EventPattern"]["detail-type"] == ["Batch Job Queue Blocked"]
    assert blocked["EventPattern"]["detail"]["jobQueue"] == states["EventPattern"]["detail"]["jobQueue"]
    [target] = blocked["Targets"]
    assert target["Arn"] == {"Ref": "AlarmTopic"}
    placeholders = re.findall(r"<(\w+)>", target["InputTransformer"]["InputTemplate"])
    assert set(placeholders) == set(target["InputTransformer"]["InputPathsMap"])


def test_the_budget_counts_what_has_the_stacks_tags(template):
    """A budget of the stage's own warns at 80 % spent and at 100 % foreseen."""
    [(name, budget)] = of_type(template, "Budgets::Budget").items()
    assert template["Resources"][name]["Condition"] == "HasBudget"
    filters = [each["Tags"] for each in budget["Budget"]["FilterExpression"]["And"]]
    assert [(each["Key"], each["Values"]) for each in filters] == [
        ("Project", ["darkroom"]),
        ("Stage", [{"Ref": "Stage"}]),
    ]
    notices = [each["Notification"] for each in budget["NotificationsWithSubscribers"]]
    assert [(each["NotificationType"], each["Threshold"]) for each in notices] == [
        ("ACTUAL", 80),
        ("FORECASTED", 100),
    ]


def test_logs_are_kept_for_a_limited_time(template):
    """Every log group forgets after the stage's days."""
    for group in of_type(template, "Logs::LogGroup").values():
        assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}


@pytest.mark.parametrize("path", sorted(STAGES.glob("*.json")), ids=lambda path: path.stem)
def test_a_stage_sets_what_the_template_allows(template, path):
    """Each value of a stage's file is a string that its parameter's own rules admit, and names the stage."""
    values = json.loads(path.read_text())
    assert values["Stage"] == path.stem
    for name, value in values.items():
        rules = template["Parameters"].get(name)
        if rules is None:
            assert (ROOT / "infra" / "functions.yaml").read_text().count(f"\n  {name}:\n")
            continue
        assert isinstance(value, str)
        assert value in [str(each) for each in rules.get("AllowedValues", [value])]
        assert re.fullmatch(rules.get("AllowedPattern", ".*"), value)
        if rules["Type"] == "Number":
            assert rules.get("MinValue", 0) <= int(value) <= rules.get("MaxValue", int(value))


def test_production_is_guarded_and_development_is_cheap():
    """prod keeps its data and its old versions longest; dev forgets, and takes one machine a job."""
    dev, prod = (json.loads((STAGES / f"{name}.json").read_text()) for name in ("dev", "prod"))
    assert (prod["DeletionProtection"], dev["DeletionProtection"]) == ("true", "false")
    assert int(prod["RecoveryDays"]) == 35
    assert int(dev["RecoveryDays"]) < int(prod["RecoveryDays"])
    assert dev["MaxNodes"] == "1"
