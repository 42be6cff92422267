"""What `make` makes of the variables that mean a yes."""

import subprocess

import pytest

from infra.images.sources import ROOT


def told(*arguments: str) -> str:
    """The command that make would run."""
    command = ["make", "--dry-run", "--old-file", ".venv/.installed", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize(
    ("target", "variable", "option"),
    [
        ("destroy", "PURGE", "--purge"),
        ("deploy", "YES", "--yes"),
        ("deploy", "DOWNGRADE", "--downgrade"),
        ("reconcile", "REPAIR", "--repair"),
    ],
)
def test_only_1_is_a_yes(target: str, variable: str, option: str) -> None:
    """PURGE=0 and PURGE=no delete no data: any value at all was a yes."""
    assert option in told(target, f"{variable}=1")
    for value in ("0", "no", "false", ""):
        assert option not in told(target, f"{variable}={value}")
