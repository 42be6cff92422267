"""Log lines and counts, by Powertools: JSON lines that CloudWatch makes metrics of."""

from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Darkroom"


class PowertoolsTelemetry:
    def __init__(self, log: Logger) -> None:
        self._log = log

    def count(self, name: str, value: int = 1) -> None:
        with single_metric(name=name, unit=MetricUnit.Count, value=value, namespace=NAMESPACE):
            pass

    def warn(self, message: str, **context: Any) -> None:
        self._log.warning(message, extra=context)
