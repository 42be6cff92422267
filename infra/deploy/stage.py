"""A stage: what it is called, where it lives, and its parameters."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UsageError

STAGES = Path(__file__).parents[1] / "stages"
#: As infra/template.yaml has it: the names of buckets and tables are made of it.
_NAME = re.compile("[a-z][a-z0-9]{0,15}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """One deployment of Darkroom in one account and region.

    Attributes:
        names_region: whether its commands say the region, which is then not what the shell has by itself.
    """

    name: str
    account: str
    region: str
    names_region: bool = False

    @property
    def stack_name(self) -> str:
        return f"darkroom-{self.name}"

    @property
    def prefix(self) -> str:
        """What the name of everything begins with that belongs to the stage, and of nothing else."""
        return f"{self.stack_name}-"

    @property
    def bucket(self) -> str:
        """The bucket of images and results, as infra/template.yaml names it."""
        return f"{self.prefix}{self.account}-{self.region}"

    @property
    def artifact_bucket(self) -> str:
        """The bucket of packages, templates and image sources: 63 letters at most, S3's limit."""
        return f"{self.prefix}artifacts-{self.account}-{self.region}"

    @property
    def tags(self) -> dict[str, str]:
        """What marks all that belongs to the stage, for bills and for the search for leftovers.

        They never change: Batch would replace its queues and compute environments for a new tag.
        """
        return {"Project": "darkroom", "Stage": self.name}

    def make(self, target: str, **variables: str) -> str:
        """The make command for this stage."""
        return make(target, self.name, self.region if self.names_region else None, **variables)


def make(target: str, stage: str, region: str | None = None, /, **variables: str) -> str:
    """A make command as a person types it."""
    given = {"STAGE": stage} | ({"REGION": region} if region else {}) | variables
    return " ".join(["make", target, *(f"{key}={value}" for key, value in given.items())])


def checked_name(name: str, region: str | None = None) -> str:
    """The name, if a stage may have it.

    Args:
        region: that of the command line, if it has one.

    Raises:
        UsageError: it may not.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"A stage can't be called {name!r}: small letters and digits only, a letter first, 16 at most.",
            make("deploy", _suggested(name), region),
        )
    return name


def _suggested(name: str) -> str:
    letters = re.sub("[^a-z0-9]", "", name.lower()).lstrip("0123456789")
    return letters[:16] or "dev"


def read_parameters(folder: Path, name: str) -> dict[str, str]:
    """The stage's own values of the template's parameters.

    Raises:
        UsageError: there is no such file, or it isn't a flat object of strings.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        raise UsageError(
            f"The stage {name} has no parameters: {_shown(path)} isn't there.",
            f"cp {_shown(folder)}/dev.json {_shown(path)}",
        )
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise UsageError(
            f"{_shown(path)} is not JSON: {error}.", f"python3 -m json.tool {_shown(path)}"
        ) from error
    if not isinstance(values, dict) or not all(isinstance(each, str) for each in values.values()):
        raise UsageError(
            f"{_shown(path)} must be one object whose values are strings, numbers and truth values included.",
            edited(folder, name),
        )
    return values


def protects_data(folder: Path, name: str) -> bool:
    """Whether the stage's own parameters say that its data stays; a stage without any says nothing.

    Raises:
        UsageError: they can't be read.
    """
    is_there = (folder / f"{name}.json").is_file()
    return is_there and read_parameters(folder, name).get("DeletionProtection") == "true"


def check_parameters(
    values: Mapping[str, str], known: Mapping[str, Mapping[str, Any]], folder: Path, name: str
) -> None:
    """Checks that the template knows every parameter of the stage, and takes its value.

    CloudFormation would say so too, after the upload, and without the file.

    Args:
        known: the template's own declarations.

    Raises:
        UsageError: it doesn't know one, or refuses its value.
    """
    if unknown := sorted(set(values) - set(known)):
        path = _shown(folder / f"{name}.json")
        raise UsageError(
            f"{path} sets {', '.join(unknown)}, which the template doesn't know.", edited(folder, name)
        )

    for key, value in values.items():
        if refusal := _refusal(value, known[key]):
            path = _shown(folder / f"{name}.json")
            raise UsageError(f"{path} sets {key} to {value!r}, which {refusal}.", edited(folder, name))


def _refusal(value: str, declared: Mapping[str, Any]) -> str:
    """Why a parameter doesn't take a value; empty where it does."""
    if declared["Type"] == "Number":
        if not _NUMBER.fullmatch(value):
            return "is no number"
        least, most = (float(declared.get(key, value)) for key in ("MinValue", "MaxValue"))
        if not least <= float(value) <= most:
            return f"is not between {declared.get('MinValue', 'any')} and {declared.get('MaxValue', 'any')}"
    allowed = [str(each) for each in declared.get("AllowedValues", [])]
    if allowed and value not in allowed:
        return f"is none of {', '.join(allowed)}"
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        return f"is not of the form {declared['AllowedPattern']}"
    return ""


def edited(folder: Path, name: str) -> str:
    """The command that opens a stage's parameters."""
    return f"${{EDITOR:-vi}} {_shown(folder / f'{name}.json')}"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
