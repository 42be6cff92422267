"""What moto's CloudFormation drops of the resources that it makes.

moto finds the model of a resource type among the direct subclasses of CloudFormationModel, and of two
for one type takes the later: importing this module before the first stack is made is all it takes.
"""

from collections.abc import Mapping
from typing import Any

from moto.batch.models import ComputeEnvironment, JobDefinition
from moto.batch.utils import lowercase_first_key
from moto.core.common_models import CloudFormationModel
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.table import Table
from moto.iam.models import iam_backends
from moto.s3.models import FakeBucket, s3_backends

# Each names CloudFormationModel as well as moto's own class, or moto would not find it.


class TableWithTimeToLive(Table, CloudFormationModel):
    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Table:
        table = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name
        )
        properties, backend = cloudformation_json["Properties"], dynamodb_backends[account_id][region_name]
        if "TimeToLiveSpecification" in properties:
            backend.update_time_to_live(table.name, properties["TimeToLiveSpecification"])
        backend.update_continuous_backups(table.name, properties["PointInTimeRecoverySpecification"])
        return table


class ComputeEnvironmentOfTheService(ComputeEnvironment, CloudFormationModel):
    """Without a role of its own, as Batch has one that is linked to the service."""

    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> ComputeEnvironment:
        properties = cloudformation_json["Properties"] | {"ServiceRole": _batch_role(account_id)}
        return super().create_from_cloudformation_json(
            resource_name, {**cloudformation_json, "Properties": properties}, account_id, region_name
        )


def _batch_role(account_id: str) -> str:
    """The role that Batch makes for itself when it is first asked for an environment without one."""
    service, backend = "batch.amazonaws.com", iam_backends[account_id]["aws"]
    there = [role for role in backend.get_roles() if role.path == f"/aws-service-role/{service}/"]
    [role] = there or [backend.create_service_linked_role(service, "", "")]
    return str(role.arn)


class JobDefinitionWithTimeout(JobDefinition, CloudFormationModel):
    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> JobDefinition:
        made = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name
        )
        made.timeout = lowercase_first_key(cloudformation_json["Properties"].get("Timeout", {}))
        return made


class BucketWithRules(FakeBucket, CloudFormationModel):
    @classmethod
    def create_from_cloudformation_json(
        cls,
        resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> FakeBucket:
        bucket = super().create_from_cloudformation_json(
            resource_name, cloudformation_json, account_id, region_name
        )
        _apply(cloudformation_json["Properties"], bucket, s3_backends[account_id]["aws"])
        return bucket


def _apply(properties: Mapping[str, Any], bucket: FakeBucket, backend: Any) -> None:
    """Sets what moto drops, in the shape in which S3's own API would have sent it."""
    cors = properties["CorsConfiguration"]["CorsRules"]
    lifecycle = properties["LifecycleConfiguration"]["Rules"]
    queues = properties["NotificationConfiguration"]["QueueConfigurations"]
    backend.put_public_access_block(bucket.name, properties["PublicAccessBlockConfiguration"])
    if properties["VersioningConfiguration"]["Status"] == "Enabled":
        backend.put_bucket_versioning(bucket.name, "Enabled")
    bucket.set_cors([_cors_rule(rule) for rule in cors])
    bucket.set_lifecycle([_lifecycle_rule(rule) for rule in lifecycle])
    bucket.set_notification_configuration({"QueueConfiguration": [_notification(each) for each in queues]})


def _cors_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "AllowedOrigin": rule["AllowedOrigins"],
        "AllowedMethod": rule["AllowedMethods"],
        "AllowedHeader": rule["AllowedHeaders"],
        "ExposeHeader": rule["ExposedHeaders"],
        "MaxAgeSeconds": str(rule["MaxAge"]),
    }


def _lifecycle_rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    names = {"ExpirationInDays": "Days", "ExpiredObjectDeleteMarker": "ExpiredObjectDeleteMarker"}
    expiration = {names[name]: rule[name] for name in names if name in rule}
    which: dict[str, Any] = {"Prefix": rule.get("Prefix", "")}
    if "TagFilters" in rule:
        which = {"Filter": {"Tag": rule["TagFilters"][0]}}
    return {**rule, "ID": rule["Id"]} | which | ({"Expiration": expiration} if expiration else {})


def _notification(queue: Mapping[str, Any]) -> dict[str, Any]:
    rules = queue["Filter"]["S3Key"]["Rules"]
    return {
        "Queue": queue["Queue"],
        "Event": [queue["Event"]],
        "Filter": {"S3Key": {"FilterRule": rules}},
    }
