"""What a section measured, against what it must reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Check:
    """One figure with its target; `limit` is the most it may be, or with `at_least` the least."""

    what: str  # with its unit
    measured: float
    limit: float
    at_least: bool = False

    @property
    def passed(self) -> bool:
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit

    def to_json(self) -> dict[str, Any]:
        target = f"{'>=' if self.at_least else '<='} {self.limit:g}"
        return {
            "what": self.what,
            "target": target,
            "measured": round(self.measured, 3),
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True)
class Section:
    """The checks of one line of the issue, and figures beside them that have no target."""

    name: str
    checks: Sequence[Check]
    notes: Mapping[str, float | int | str] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        return all(each.passed for each in self.checks)

    def to_json(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "checks": [each.to_json() for each in self.checks],
            "notes": dict(self.notes),
        }

    def lines(self) -> list[str]:
        """As rows of the table."""
        checks = (each.to_json() for each in self.checks)
        rows = [
            f"{self.name:<8} {each['what']:<64} {each['measured']:>12g} {each['target']:>10}"
            f"  {'pass' if each['passed'] else 'FAIL'}"
            for each in checks
        ]
        return rows + [f"{'':<8} {what:<64} {value:>12}" for what, value in self.notes.items()]
