"""`python -m infra.restore`: rows to a file and back, and what S3 has beside them. See docs/deploy.md."""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import boto3

from chalicelib.adapters.aws import Aws
from chalicelib.adapters.dynamodb import Tables
from chalicelib.bootstrap import aws_ports
from chalicelib.settings import Settings

from .reconciliation import Reconciliation, projects_of
from .tables import export, restore


def main() -> int:
    options = _options()
    settings = _settings(options.stack)
    return _COMMANDS[options.command](options, settings, Aws())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.restore", description=__doc__)
    parser.add_argument("--stack", required=True, help="its name, such as darkroom-prod")
    commands = parser.add_subparsers(dest="command", required=True)
    out = commands.add_parser("export", help="write all rows into a file; nobody may write meanwhile")
    out.add_argument("file", type=Path)
    back = commands.add_parser("import", help="make the tables what such a file has, and nothing else")
    back.add_argument("file", type=Path)
    back.add_argument("--confirm", required=True, help="the stack's name again")
    compare = commands.add_parser("reconcile", help="compare rows with objects and jobs")
    compare.add_argument("--repair", action="store_true", help="mend what is found")
    return parser.parse_args()


def _settings(stack: str) -> Settings:
    """The settings of a stack, by its outputs."""
    [found] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in found["Outputs"]}
    # By its name, as infra/functions.yaml has it: it is no output.
    named = {"PREDICTOR": f"{stack}-predict"}
    return Settings.read(named | {_variable(name): value for name, value in outputs.items()})


def _variable(output: str) -> str:
    return re.sub("(?<!^)(?=[A-Z])", "_", output).upper()


def _export(options: argparse.Namespace, settings: Settings, aws: Aws) -> int:
    with options.file.open("w") as file:
        count = export(aws.dynamodb, settings.table_prefix, file)
    print(f"{count} rows in {options.file}")
    return 0


def _import(options: argparse.Namespace, settings: Settings, aws: Aws) -> int:
    if options.confirm != options.stack:
        print(f"this replaces all rows: --confirm {options.stack}", file=sys.stderr)
        return 1
    with options.file.open() as file:
        count = restore(aws.dynamodb, settings.table_prefix, file)
    print(f"{count} rows; go on with: python -m infra.restore --stack {options.stack} reconcile")
    return 0


def _reconcile(options: argparse.Namespace, settings: Settings, aws: Aws) -> int:
    ports, tables = aws_ports(settings, aws), Tables(aws, settings.table_prefix)
    counts: Counter[str] = Counter()
    run = Reconciliation(ports, tables, repairs=options.repair)
    for each in run.run(projects_of(aws.dynamodb, settings.table_prefix)):
        print(f"{each.code:24} {each.project_id} {each.name}")
        counts[each.code] += 1
    did = "mended" if options.repair else "found; --repair mends them"
    print(f"{counts.total()} {did}")
    return 0 if options.repair or not counts else 1


_Command = Callable[[argparse.Namespace, Settings, Aws], int]
_COMMANDS: dict[str, _Command] = {"export": _export, "import": _import, "reconcile": _reconcile}


if __name__ == "__main__":
    sys.exit(main())
