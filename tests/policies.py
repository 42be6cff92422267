"""The functions' policies, read from infra/functions.yaml, and the rights that calls of botocore need.

Source of which call needs what: AWS, "Service Authorization Reference".
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cfnlint.decode import decode

from chalicelib import bootstrap
from infra.local.aws import REGION, TEMPLATE, EmbeddedAws

FUNCTIONS = TEMPLATE.with_name("functions.yaml")
_ACCOUNT = "123456789012"
_ARN = f"{REGION}:{_ACCOUNT}"


def template(path: Path = FUNCTIONS) -> dict[str, Any]:
    """A template with its intrinsic functions in their long forms."""
    read, problems = decode(str(path))
    assert not problems
    return json.loads(json.dumps(read))


@dataclass(frozen=True)
class Right:
    """What a call needs, or what an element of a statement gives: then `resource` may have wildcards."""

    action: str
    resource: str

    def gives(self, needed: "Right") -> bool:
        return self.action == needed.action and fnmatchcase(needed.resource, self.resource)


class Policy:
    """What a role allows, statement by statement."""

    def __init__(self, role: Mapping[str, Any], stack: EmbeddedAws) -> None:
        [policy] = role["Properties"]["Policies"]
        resolve = _Resolver(stack)
        self.rights: dict[tuple[str, Right], None] = {}
        for statement in policy["PolicyDocument"]["Statement"]:
            assert statement.keys() == {"Sid", "Effect", "Action", "Resource"}
            assert statement["Effect"] == "Allow"
            for action in _listed(statement["Action"]):
                for resource in _listed(statement["Resource"]):
                    if (arn := resolve(resource)) is not None:
                        self.rights[statement["Sid"], Right(action, arn)] = None

    def missing(self, needed: set[Right]) -> set[Right]:
        return {each for each in needed if not any(right.gives(each) for _, right in self.rights)}

    def unused(self, needed: set[Right]) -> set[tuple[str, Right]]:
        return {(sid, right) for sid, right in self.rights if not any(right.gives(each) for each in needed)}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Resolver:
    """ARNs of the embedded stack for intrinsic functions; None where a condition leaves one out."""

    def __init__(self, stack: EmbeddedAws) -> None:
        self._stack = stack
        self._types = {name: each["Type"] for name, each in template(TEMPLATE)["Resources"].items()}

    def __call__(self, value: Any) -> str | None:
        match value:
            case str():
                return value
            case {"Ref": "AWS::NoValue"}:
                return None
            case {"Ref": str(name)}:
                return self._stack.resources[name]
            case {"Fn::GetAtt": [str(name), "Arn"]}:
                return self._arn(name)
            case {"Fn::Sub": str(text)}:
                return re.sub(r"\$\{([^}]+)\}", lambda found: self._named(found[1]), text)
            case {"Fn::If": ["HasNodes", _, otherwise]}:  # the embedded AWS is one machine
                return self(otherwise)
        raise AssertionError(f"no such resource is expected in a policy: {value}")

    def _named(self, name: str) -> str:
        pseudo = {
            "Partition": "aws",
            "Region": REGION,
            "AccountId": _ACCOUNT,
            "StackName": self._stack.stack_name,
        }
        return pseudo[name[5:]] if name.startswith("AWS::") else self._arn(name.removesuffix(".Arn"))

    def _arn(self, name: str) -> str:
        if name == "Predictor":
            return f"arn:aws:lambda:{_ARN}:function:{self._stack.predictor}"
        if self._types.get(name) == "AWS::Logs::LogGroup":  # its name alone, as `Ref` gives it
            return self._stack.resources[name]
        if name not in self._types:  # a log group of infra/functions.yaml
            return f"arn:aws:logs:{_ARN}:log-group:{name}:*"
        own = self._stack.resources[name].rpartition("/")[2]
        return {
            "AWS::DynamoDB::Table": f"arn:aws:dynamodb:{_ARN}:table/{own}",
            "AWS::S3::Bucket": f"arn:aws:s3:::{own}",
            "AWS::SQS::Queue": f"arn:aws:sqs:{_ARN}:{own}",
        }[self._types[name]]


@dataclass
class Recorder:
    """Notes what rights the calls of the functions need, signing URLs and forms included."""

    needed: dict[str, set[Right]] = field(default_factory=dict)
    _function: str | None = None

    @contextmanager
    def function(self, name: str) -> Iterator[None]:
        """Takes the calls of the block for those of a function."""
        before, self._function = self._function, name
        try:
            yield
        finally:
            self._function = before

    @contextmanager
    def listening(self, *more: Any) -> Iterator[None]:
        """Takes the calls of the API's clients, and of more."""
        aws = bootstrap.aws()
        clients = (aws.dynamodb, aws.s3, aws.batch, aws.secrets, aws.functions, aws.logs, *more)
        for client in clients:
            client.meta.events.register("provide-client-params", self._note)
        try:
            yield
        finally:
            for client in clients:
                client.meta.events.unregister("provide-client-params", self._note)

    def _note(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._function:
            rights = {*_NEEDS[model.service_model.service_name](model.name, params)}
            if self._function == "predict":  # which takes a forbidden object for a missing one
                rights = {each for each in rights if each.action != "s3:ListBucket"}
            self.needed.setdefault(self._function, set()).update(rights)


def _of_dynamodb(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    if operation == "TransactWriteItems":
        for action in params["TransactItems"]:
            [(kind, write)] = action.items()
            yield Right(f"dynamodb:{kind}Item", _table(write["TableName"]))
        return
    index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
    for name in params.get("RequestItems") or [params["TableName"]]:
        yield Right(f"dynamodb:{operation}", _table(name) + index)


def _table(name: str) -> str:
    return f"arn:aws:dynamodb:{_ARN}:table/{name}"


_S3 = {
    "GetObject": "GetObject",
    "HeadObject": "GetObject",
    "PutObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "AbortMultipartUpload": "AbortMultipartUpload",
    "ListParts": "ListMultipartUploadParts",
}
_S3_OF_BUCKETS = {"ListObjectsV2": "ListBucket", "ListMultipartUploads": "ListBucketMultipartUploads"}


def _of_s3(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    bucket = f"arn:aws:s3:::{params['Bucket']}"
    match operation:
        case "DeleteObjects":
            for each in params["Delete"]["Objects"]:
                yield Right("s3:DeleteObject", f"{bucket}/{each['Key']}")
        case "CreateBucket":  # by which botocore signs forms; those of Darkroom are for incoming/ alone
            yield Right("s3:PutObject", f"{bucket}/incoming/")
        case _ if operation in _S3_OF_BUCKETS:
            yield Right(f"s3:{_S3_OF_BUCKETS[operation]}", bucket)
        case _:
            yield Right(f"s3:{_S3[operation]}", f"{bucket}/{params['Key']}")
            if _S3[operation] == "GetObject":  # or a missing object is a forbidden one
                yield Right("s3:ListBucket", bucket)


def _of_batch(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    match operation:
        case "SubmitJob":
            yield Right("batch:SubmitJob", params["jobQueue"])
            yield Right("batch:SubmitJob", params["jobDefinition"])
        case "TerminateJob":
            yield Right("batch:TerminateJob", f"arn:aws:batch:{_ARN}:job/{params['jobId']}")
        case "DescribeJobs" | "ListJobs":
            yield Right(f"batch:{operation}", "*")
        case _:
            raise KeyError(operation)


def _of_secrets(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    yield Right(f"secretsmanager:{operation}", params["SecretId"])


def _of_functions(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    action = {"Invoke": "InvokeFunction"}[operation]
    yield Right(f"lambda:{action}", f"arn:aws:lambda:{_ARN}:function:{params['FunctionName']}")


def _of_logs(operation: str, params: Mapping[str, Any]) -> Iterator[Right]:
    group, stream = params["logGroupName"], params["logStreamName"]
    yield Right(f"logs:{operation}", f"arn:aws:logs:{_ARN}:log-group:{group}:log-stream:{stream}")


_NEEDS = {
    "dynamodb": _of_dynamodb,
    "s3": _of_s3,
    "batch": _of_batch,
    "secretsmanager": _of_secrets,
    "lambda": _of_functions,
    "logs": _of_logs,
}
