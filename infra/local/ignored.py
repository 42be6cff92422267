"""Resource types that moto's CloudFormation ignores; see missing.py for how moto finds them."""

import json
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from moto.core.common_models import CloudFormationModel
from moto.secretsmanager.models import secretsmanager_backends

_LETTERS = string.ascii_letters + string.digits


@dataclass
class _Resource:
    """All that moto asks of a resource; not frozen, since moto notes the logical id on it."""

    physical_resource_id: str

    def is_created(self) -> bool:
        return True


class _Unnamed:
    @staticmethod
    def cloudformation_name_type() -> str:
        return ""


class _NoOp(_Unnamed):
    """moto checks no permissions, so a policy has nothing to do."""

    @classmethod
    def create_from_cloudformation_json(cls, resource_name: str, *_: Any, **__: Any) -> _Resource:
        return _Resource(resource_name)


class QueuePolicy(_NoOp, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SQS::QueuePolicy"


class BucketPolicy(_NoOp, CloudFormationModel):
    """Not applied: moto passes over a statement's Condition, and would refuse everything."""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::S3::BucketPolicy"


class TopicPolicy(_NoOp, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SNS::TopicPolicy"


class Budget(_NoOp, CloudFormationModel):
    """Nothing costs anything here."""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::Budgets::Budget"


class ImageBuild(_NoOp, CloudFormationModel):
    """Jobs are processes here, and need no image."""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CodeBuild::Project"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003
        cloudformation_json: dict[str, Any],
        *_: Any,
        **__: Any,
    ) -> _Resource:
        return _Resource(cloudformation_json["Properties"]["Name"])


@dataclass
class _Alarm(_Resource):
    arn: str

    def get_cfn_attribute(self, attribute_name: str) -> str:
        return {"Arn": self.arn}[attribute_name]


class Alarm(_Unnamed, CloudFormationModel):
    """Only named: moto measures nothing that could set it off."""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CloudWatch::Alarm"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,  # noqa: ARG003
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> _Alarm:
        name = cloudformation_json["Properties"]["AlarmName"]
        return _Alarm(name, f"arn:aws:cloudwatch:{region_name}:{account_id}:alarm:{name}")


class Secret(_Unnamed, CloudFormationModel):
    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::SecretsManager::Secret"

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> _Resource:
        made = secretsmanager_backends[account_id][region_name].create_secret(
            resource_name, _generated(cloudformation_json["Properties"]["GenerateSecretString"]),
            None, None, None, None, None, [], False,
        )  # fmt: skip
        return _Resource(json.loads(made)["ARN"])


def _generated(how: Mapping[str, Any]) -> str:
    value = "".join(secrets.choice(_LETTERS) for _ in range(int(how["PasswordLength"])))
    return json.dumps(json.loads(how["SecretStringTemplate"]) | {how["GenerateStringKey"]: value})
