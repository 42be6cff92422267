"""The container images: built by CodeBuild from sources that are named by their content."""

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from .account import code_of
from .errors import FailedError
from .stage import Stage
from .waiting import pauses

#: CodeBuild's newest builds among which one of the same sources is looked for.
_LOOKED_AT = 20
#: Outputs of infra/template.yaml that name the image repositories.
REPOSITORIES = ("TrainingRepository", "DataRepository")


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


def start(codebuild: Any, project: str, *, bucket: str, tag: str) -> str:
    """Builds the images of a tag; the id of the build, which may be one that is under way already."""
    if running := _under_way(codebuild, project, tag):
        return running
    build = codebuild.start_build(
        projectName=project,
        sourceTypeOverride="S3",
        sourceLocationOverride=f"{bucket}/images/{tag}.zip",
        environmentVariablesOverride=[{"name": "IMAGE_TAG", "value": tag, "type": "PLAINTEXT"}],
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
