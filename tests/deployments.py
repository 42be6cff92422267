"""An AWS account to deploy into: moto over HTTP, with what a deployment needs and moto lacks."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from io import BytesIO, StringIO
from typing import Any

import boto3
import botocore.session
from moto.cloudformation.models import CloudFormationBackend, cloudformation_backends
from moto.cloudformation.responses import CloudFormationResponse
from moto.codebuild.models import codebuild_backends
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.vpcs import VPC
from moto.s3.models import FakeBucket, FakeKey, s3_backends
from rich.console import Console
from werkzeug.serving import make_server

from infra.deploy.account import Account
from infra.local import aws
from infra.local import missing as missing

NUMBER = "123456789012"
REGION = "us-east-1"
#: Answers of the services that moto lacks, by the end of X-Amz-Target.
Answers = dict[str, Callable[[dict[str, Any]], tuple[int, Any]]]


def quota_answers(vcpus: float) -> Answers:
    """Service Quotas of an account that may run so many vCPUs of G instances, and asked for no more."""
    return {
        "ServiceQuotasV20190624.GetServiceQuota": lambda _: (200, {"Quota": {"Value": vcpus}}),
        "ServiceQuotasV20190624.ListRequestedServiceQuotaChangeHistoryByQuota": lambda _: (
            200,
            {"RequestedQuotas": []},
        ),
        "AWSPriceListService.GetProducts": lambda _: (400, {"__type": "AccessDeniedException"}),
    }


@dataclass
class Gate:
    """Stands in front of moto: answers what moto can't, refuses strangers, and tells who asks for what.

    Attributes:
        answers: of the services that moto lacks.
        before: called with the name of each operation, before moto sees it.
        after: likewise, when moto has done it and the caller doesn't know yet.
    """

    application: Any
    answers: Answers = field(default_factory=partial(quota_answers, 64.0))
    before: Callable[[str], None] = lambda _: None
    after: Callable[[str], None] = lambda _: None
    seen: list[str] = field(default_factory=list)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = BytesIO(body)
        operation = _operation(environ, body)
        self.seen.append(operation)
        self.before(operation)
        if operation in self.answers:
            status, answer = self.answers[operation](json.loads(body))
            start_response(f"{status} -", [("Content-Type", "application/x-amz-json-1.1")])
            return [json.dumps(answer).encode()]
        if _is_strangers(environ):
            start_response("403 Forbidden", [("Content-Type", "application/xml")])
            return [b""]
        answered = self.application(environ, start_response)
        self.after(operation)
        return answered


def _operation(environ: Mapping[str, Any], body: bytes) -> str:
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return str(target)
    if found := re.search(rb"(?:^|&)Action=(\w+)", body):
        return found[1].decode()
    return f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"


def _is_strangers(environ: Mapping[str, Any]) -> bool:
    """Whether S3 would refuse, since the bucket isn't the expected account's; moto doesn't look."""
    expected = environ.get("HTTP_X_AMZ_EXPECTED_BUCKET_OWNER")
    bucket = environ["PATH_INFO"].strip("/").partition("/")[0]
    owner = s3_backends.bucket_accounts.get(bucket)
    return bool(expected and owner and owner[1] != expected)


class CodeBuildProject(CloudFormationModel):
    """A project that moto's CodeBuild knows, so that builds can be started."""

    physical_resource_id = ""

    @staticmethod
    def cloudformation_name_type() -> str:
        return ""

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::CodeBuild::Project"

    @classmethod
    def create_from_cloudformation_json(
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str, **_: Any
    ) -> "CodeBuildProject":
        properties = cloudformation_json["Properties"]
        made, backend = cls(), codebuild_backends[account_id][region_name]
        made.physical_resource_id = properties.get("Name", resource_name)
        source = {key.lower(): value for key, value in properties["Source"].items()}
        artifacts: dict[str, str] = {"type": "NO_ARTIFACTS"}
        backend.create_project(
            made.physical_resource_id, None, source, artifacts, {}, "role", [], {}, 60, 60, None, {}, None
        )  # fmt: skip
        return made

    def is_created(self) -> bool:
        return True

    def delete(self, account_id: str, region_name: str) -> None:
        codebuild_backends[account_id][region_name].delete_project(self.physical_resource_id)


def _execute(backend: CloudFormationBackend, change_set_name: str, stack_name: str | None = None) -> None:
    """Also sets outputs, parameters and tags; and as in AWS, a failure is an event and a state, no answer."""
    change_set = backend.describe_change_set(change_set_name)
    stack = backend.stacks[change_set.stack_id]
    try:
        _execute_in_moto(backend, change_set_name, stack_name)
    except Exception as error:  # noqa: BLE001 - whatever moto raises is the reason
        is_new = change_set.change_set_type == "CREATE"
        stack._add_stack_event("CREATE_FAILED", resource_status_reason=str(error))
        _forget_deleted(stack)
        stack.status = "ROLLBACK_COMPLETE" if is_new else "UPDATE_ROLLBACK_COMPLETE"
        return
    stack._parse_template()
    stack.output_map = stack._create_output_map()
    stack.tags, stack.parameters = change_set.tags, change_set.parameters


def _delete(backend: CloudFormationBackend, name_or_stack_id: str) -> None:
    """As AWS does: what can't be deleted leaves a stack in DELETE_FAILED, with an event that says why."""
    stack = backend.get_stack(name_or_stack_id)
    _make_vpcs_deletable(stack)
    try:
        _delete_in_moto(backend, stack.stack_id)
    except Exception as error:  # noqa: BLE001 - whatever moto raises is the reason
        backend.stacks[stack.stack_id] = stack
        _forget_deleted(stack)
        stack.status = "DELETE_FAILED"
        stack._add_stack_event("DELETE_FAILED", resource_status_reason=str(error))


def _forget_deleted(stack: Any) -> None:
    """moto would make whatever of the stack isn't there when it is asked for."""
    resources = stack.resource_map
    left = {
        name: each
        for name, each in resources._resource_json_map.items()
        if name in resources._parsed_resources
    }
    resources._resource_json_map = left


def _make_vpcs_deletable(stack: Any) -> None:
    """moto deletes no route table with its stack, and no network that has one."""
    for resource in stack.stack_resources:
        if isinstance(resource, VPC):
            ec2 = ec2_backends[stack.account_id][stack.region_name]
            for table in ec2.describe_route_tables(filters={"vpc-id": resource.id}):
                if not table.main_association_id:
                    table.associations.clear()
                    ec2.delete_route_table(table.id)


def _answer_delete(response: CloudFormationResponse) -> Any:
    """Also leaves what RetainResources names where it is."""
    stack = response.cloudformation_backend.get_stack(response._get_param("StackName"))
    for name in response._get_param("RetainResources", []):
        stack.resource_map._resource_json_map[name]["DeletionPolicy"] = "Retain"
    return _answer_delete_in_moto(response)


_answer_delete_in_moto = CloudFormationResponse.delete_stack
_execute_in_moto = CloudFormationBackend.execute_change_set
_delete_in_moto = CloudFormationBackend.delete_stack


@contextmanager
def serving(monkeypatch: Any) -> Iterator["World"]:
    """An account over HTTP until the context ends; its state is that of all of the process's moto."""
    monkeypatch.setattr(CloudFormationBackend, "execute_change_set", _execute)
    monkeypatch.setattr(CloudFormationBackend, "delete_stack", _delete)
    monkeypatch.setattr(CloudFormationResponse, "delete_stack", _answer_delete)
    # It would take the TLS-only policy for one against everybody.
    monkeypatch.setattr(FakeBucket, "get_permission", lambda *_: _neutral())
    # Every run of a command has a session of its own; they may share what they read from botocore's files.
    monkeypatch.setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))
    # A listing of versions copies each object, and closes no copy's file.
    monkeypatch.setattr(FakeKey, "__deepcopy__", lambda key, _: key, raising=False)
    gate = Gate(aws.Front(aws.Dispatcher(aws._backend_app)))
    server = make_server("127.0.0.1", 0, gate, threaded=True, request_handler=aws._RequestHandler)
    thread = threading.Thread(target=partial(server.serve_forever, 0.05), daemon=True)
    thread.start()
    try:
        yield World(f"http://127.0.0.1:{server.server_port}", gate)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _neutral() -> Any:
    from moto.iam.access_control import PermissionResult

    return PermissionResult.NEUTRAL


@dataclass
class World:
    """An AWS account, and a terminal."""

    endpoint_url: str
    gate: Gate
    terminal: StringIO = field(default_factory=StringIO)

    @property
    def environment(self) -> dict[str, str]:
        """What a person's shell would have."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    @property
    def console(self) -> Console:
        return Console(file=self.terminal, width=160)

    @property
    def shown(self) -> str:
        return self.terminal.getvalue()

    def client(self, service: str, region: str | None = None) -> Any:
        return aws.client_of(service, self.endpoint_url)

    @property
    def account(self) -> Account:
        return Account(
            number=NUMBER, identity="arn:aws:iam::123456789012:user/me", region=REGION, clients=self.client
        )

    def strangers(self, service: str) -> Any:
        """A client of another account."""
        role = self.client("sts").assume_role(
            RoleArn="arn:aws:iam::222222222222:role/stranger", RoleSessionName="stranger"
        )["Credentials"]
        session = boto3.Session(role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"], REGION)
        return session.client(service, endpoint_url=self.endpoint_url)

    def status(self, stack_name: str, status: str, failure: str = "") -> None:
        """Puts a stack into a state that moto never reaches by itself."""
        stack = cloudformation_backends[NUMBER][REGION].get_stack(stack_name)
        if failure:
            stack._add_stack_event("CREATE_FAILED", resource_status_reason=failure)
        stack.status = status
