"""Log lines and counts, by Powertools: JSON lines that CloudWatch makes metrics of."""

from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.functions import is_metrics_disabled

NAMESPACE = "Darkroom"


class PowertoolsTelemetry:
    """Counts of one stack: others in the account have the same names, under another dimension."""

    def __init__(self, log: Logger, stack: str) -> None:
        self._log = log
        self._dimensions = {"Stack": stack}
        # A metric is printed in two pieces, which those of another thread must not come between.
        self._printing = Lock()

    def count(self, name: str, value: int = 1) -> None:
        # On one machine nobody reads them; a single metric doesn't look at the variable by itself.
        if is_metrics_disabled():
            return
        metric = single_metric(
            name=name,
            unit=MetricUnit.Count,
            value=value,
            namespace=NAMESPACE,
            default_dimensions=self._dimensions,
        )
        with self._printing, metric:
            pass

    def warn(self, message: str, **context: Any) -> None:
        self._log.warning(message, extra=context)
