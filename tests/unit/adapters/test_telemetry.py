"""The counts that CloudWatch makes metrics of."""

import json

from aws_lambda_powertools import Logger

from chalicelib.adapters.telemetry import PowertoolsTelemetry


def test_counts_of_two_stacks_are_two_metrics(capsys, monkeypatch):
    """A count is one line in CloudWatch's embedded metric format, with the stack as its dimension."""
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED", raising=False)
    for stack in ("darkroom-dev", "darkroom-prod"):
        PowertoolsTelemetry(Logger(service="darkroom"), stack).count("StaleHeartbeats", 2)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["Stack"], line["StaleHeartbeats"]) for line in lines] == [
        ("darkroom-dev", [2.0]),
        ("darkroom-prod", [2.0]),
    ]
    [metric] = lines[0]["_aws"]["CloudWatchMetrics"]
    assert (metric["Namespace"], metric["Dimensions"]) == ("Darkroom", [["Stack"]])


def test_nothing_is_counted_where_metrics_are_off(capsys, monkeypatch):
    """On one machine stdout is the user's: lines that nobody reads fill a pipe, and hold up the stack."""
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    PowertoolsTelemetry(Logger(service="darkroom"), "darkroom-local").count("StaleHeartbeats")
    assert capsys.readouterr().out == ""
