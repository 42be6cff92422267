"""How the tables of a new stage come to be protected."""

import json

import pytest

from infra.deploy.deployment import Wish, deploy
from infra.deploy.errors import DeployError
from tests.deploying import OLD, deployed, small_parts, small_template

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": {"Fn::Sub": "${AWS::StackName}-Users"},
        "BillingMode": "PAY_PER_REQUEST",
        "DeletionProtectionEnabled": {"Ref": "DeletionProtection"},
        "AttributeDefinitions": [{"AttributeName": "UserID", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "UserID", "KeyType": "HASH"}],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": "true"},
    },
}


def protected_parts(folder, stage, **resources):
    """A stage that protects its data."""
    template = small_template("http://127.0.0.1:9", UsersTable=TABLE, **resources)
    template["Parameters"]["DeletionProtection"] = {"Type": "String", "Default": "false"}
    parts = small_parts(folder, template, stage)
    (parts.stages / f"{stage}.json").write_text(json.dumps({"DeletionProtection": "true"}))
    return parts


@pytest.fixture
def proposed(shell):
    """Kind and DeletionProtection of each change set, as it is asked for."""
    found: list[tuple[str, str]] = []

    def note(params, **_) -> None:
        values = {each["ParameterKey"]: each["ParameterValue"] for each in params["Parameters"]}
        found.append((params["ChangeSetType"], values["DeletionProtection"]))

    events, name = shell.client("cloudformation").meta.events, "provide-client-params.cloudformation"
    events.register(f"{name}.CreateChangeSet", note)
    yield found
    events.unregister(f"{name}.CreateChangeSet", note)


def test_a_new_stage_protects_its_tables_when_all_of_it_is_there(shell, stage, tmp_path, proposed):
    """Not before: a protected table would refuse to go with a creation that fails. Then it stays so."""
    parts = protected_parts(tmp_path, stage)
    deployed(shell, stage, parts)
    assert proposed == [("CREATE", "false"), ("UPDATE", "true")]
    assert "the tables refuse to be deleted from now on" in shell.shown
    shell.gate.seen.clear()
    deployed(shell, stage, parts)
    assert proposed[2:] == [("UPDATE", "true")]
    assert "ExecuteChangeSet" not in shell.gate.seen


def test_a_creation_that_fails_has_protected_nothing(shell, stage, tmp_path, proposed):
    """It goes back by itself, and neither PURGE nor a person's hand is needed for the next try."""
    name = f"darkroom-{stage}-training"
    shell.client("ecr").create_repository(repositoryName=name)
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": name}}
    parts = protected_parts(tmp_path, stage, Repository=repository)
    with pytest.raises(DeployError, match="ROLLBACK_COMPLETE") as failed:
        deploy(shell.account, stage, Wish(yes=True), parts, OLD, shell.console)
    assert failed.value.command == f"make destroy STAGE={stage}"
    assert proposed == [("CREATE", "false")]
