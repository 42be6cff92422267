"""The container images: built by CodeBuild from sources that are named by their content."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from botocore.exceptions import ClientError

from chalicelib.contract.config import Classifier, Detector

from .account import code_of
from .errors import FailedError, UsageError
from .stage import Stage, edited
from .states import Stack
from .waiting import pauses

#: CodeBuild's newest builds among which one of the same sources is looked for.
_LOOKED_AT = 20
#: Outputs of infra/template.yaml that name the image repositories.
REPOSITORIES = ("TrainingRepository", "DataRepository")
#: Parameters of infra/template.yaml by which a stage chooses, and the Dockerfiles' arguments.
_CHOICES = {"BaseImage": "BASE_IMAGE", "Weights": "WEIGHTS"}
#: What leaves a choice to the Dockerfile.
_DEFAULT = "default"
#: Words for weights that are no architecture's: training_job/weights.py.
_ALL_OR_NONE = {"all", "none"}


def choices(parameters: Mapping[str, str], folder: Path, name: str) -> dict[str, str]:
    """Arguments of the Dockerfiles that a stage's parameters set.

    Args:
        folder: that of the stages' parameters.
        name: the stage's.

    Raises:
        UsageError: no such architecture is known; the build would say so after minutes.
    """
    given = {argument: parameters.get(parameter, _DEFAULT) for parameter, argument in _CHOICES.items()}
    chosen = {argument: value for argument, value in given.items() if value != _DEFAULT}
    known = {*get_args(Classifier), *get_args(Detector), *_ALL_OR_NONE}
    if unknown := sorted(set(chosen.get("WEIGHTS", "").split()) - known):
        raise UsageError(
            f"Weights of the stage {name} has {', '.join(unknown)}, of which there is no architecture.",
            edited(folder, name),
        )
    return chosen


def repositories(found: Stack | None) -> list[str]:
    """Names of a stack's image repositories."""
    return [found.outputs[name] for name in REPOSITORIES if name in found.outputs] if found else []


def are_built(ecr: Any, repositories: list[str], tag: str) -> bool:
    """Whether every repository has an image of that tag."""
    return all(_has(ecr, repository, tag) for repository in repositories)


def _has(ecr: Any, repository: str, tag: str) -> bool:
    try:
        ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
    except ClientError as error:
        if code_of(error) in ("ImageNotFoundException", "RepositoryNotFoundException"):
            return False
        raise
    return True


def start(codebuild: Any, project: str, *, bucket: str, tag: str, chosen: Mapping[str, str]) -> str:
    """Builds the images of a tag; the id of the build, which may be one that is under way already.

    Args:
        bucket: where the sources lie.
        chosen: arguments of the Dockerfiles; the project may still have those of the deployment before.
    """
    if running := _under_way(codebuild, project, tag):
        return running
    variables = {"IMAGE_TAG": tag, **dict.fromkeys(_CHOICES.values(), _DEFAULT), **chosen}
    build = codebuild.start_build(
        projectName=project,
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{bucket}/images/{tag}.zip",
        environmentVariablesOverride=[
            {"name": name, "value": value, "type": "PLAINTEXT"} for name, value in variables.items()
        ],
    )
    return str(build["build"]["id"])


def _under_way(codebuild: Any, project: str, tag: str) -> str | None:
    identities = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"]
    if not identities:
        return None
    for build in codebuild.batch_get_builds(ids=identities[:_LOOKED_AT])["builds"]:
        variables = build["environment"]["environmentVariables"]
        tags = [each["value"] for each in variables if each["name"] == "IMAGE_TAG"]
        if build["buildStatus"] == "IN_PROGRESS" and tag in tags:
            return str(build["id"])
    return None


def wait(codebuild: Any, stage: Stage, build: str, show: Callable[[str], None]) -> None:
    """Returns when a build has succeeded.

    Args:
        show: told of each phase of the build, as it begins.

    Raises:
        FailedError: it has not.
    """
    phase = ""
    for _ in pauses():
        [found] = codebuild.batch_get_builds(ids=[build])["builds"]
        if found.get("currentPhase", "") != phase:
            phase = found["currentPhase"]
            show(phase.lower().replace("_", " "))
        if found["buildStatus"] != "IN_PROGRESS":
            break
    if found["buildStatus"] != "SUCCEEDED":
        raise FailedError(
            f"The image build {build} ended with {found['buildStatus']}"
            f" in {_failed_phase(found) or phase.lower()}; its log says why.",
            stage.make("logs"),
        )


def _failed_phase(build: Mapping[str, Any]) -> str:
    failed = [each for each in build.get("phases", []) if each.get("phaseStatus") == "FAILED"]
    return failed[0]["phaseType"].lower() if failed else ""
