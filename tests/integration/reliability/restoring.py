"""The reconciliation of infra/restore, on the stack that the environment names."""

import os
from collections import Counter
from dataclasses import replace

from chalicelib import bootstrap
from chalicelib.adapters.dynamodb import Tables
from chalicelib.bootstrap import aws_ports
from chalicelib.settings import Settings
from infra.restore.reconciliation import Reconciliation, projects_of
from tests.integration.test_removal import _later


def reconcile(hours: float, *, repairs: bool = True) -> Counter[str]:
    """Runs it so many hours from now; how many of each it has found."""
    settings, aws = Settings.read(os.environ), bootstrap.aws()
    ports = replace(aws_ports(settings, aws), clock=_later(hours=hours)[1])
    run = Reconciliation(ports, Tables(aws, settings.table_prefix), repairs=repairs)
    return Counter(each.code for each in run.run(projects_of(aws.dynamodb, settings.table_prefix)))
