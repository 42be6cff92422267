"""The package and its template, as they are deployed."""

import json
import time
from base64 import b64encode
from io import BytesIO
from urllib.parse import urlsplit

import pytest
import urllib3
from PIL import Image

from app import app
from chalicelib.contract.pictures import FORMATS
from examples.http import Client
from infra.deploy.stage import Stage
from infra.deploy.template import prepared
from infra.deploy.version import Version
from infra.local.runtime_api import FunctionError
from infra.local.schedules import scheduled_event
from infra.package import build
from infra.packaged.template import api_of, of_type, schedules_of, translated
from tests.e2e.conftest import Up


def test_two_builds_are_the_same(package, runtime, tmp_path):
    """A second build from the same sources has the same hash and the same template."""
    again = build(tmp_path, region="us-east-1", python=runtime.version)
    assert (again.sha256, again.predictor.sha256) == (package.sha256, package.predictor.sha256)
    assert again.template.read_bytes() == package.template.read_bytes()


def test_every_function_is_made_for_the_package(package, runtime):
    """Each function has the package's runtime, a role of its own stack, and its code in the zip."""
    template = json.loads(package.template.read_text())
    functions = [
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    assert len(functions) == 2 + len(app.event_sources) + len(app.pure_lambda_functions)
    for properties in functions:
        assert properties["Runtime"] == f"python{runtime.version}"
        is_predictor = properties["Handler"].startswith("predictor.")
        assert properties["CodeUri"] == f"./{(package.predictor.path if is_predictor else package.zip).name}"
        assert properties["Role"]["Fn::GetAtt"][0] in template["Resources"]


def test_the_gateway_knows_every_endpoint(packaged):
    """Each method of each path of the app is in the packaged OpenAPI body, and goes to the API's function."""
    declared = {(method, path) for path, methods in app.routes.items() for method in methods}
    routed = {(each.method, each.path) for each in api_of(packaged.plain).routes if each.function}
    assert routed == declared
    assert {each.function for each in api_of(packaged.plain).routes if each.function} == {"APIHandler"}


def test_the_api_is_deployed_again_where_it_is_another(package, translator, tmp_path):
    """SAM names the API's snapshot by its body: the same where nothing changed, another with a parameter."""
    stage = Stage(name="dev", account="123456789012", region="us-east-1")
    whole, names = json.loads(package.template.read_text()), []
    for addresses in ("0.0.0.0/0", "0.0.0.0/0", "10.0.0.0/8"):
        sent = prepared(
            whole, stage, package, Version((0, 1, 0), 1), {"AllowedAddresses": addresses}, adopts=False
        )
        (tmp_path / "sent.json").write_text(json.dumps(sent))
        names += of_type(translated(tmp_path / "sent.json", translator), "AWS::ApiGateway::Deployment")
        time.sleep(1.1)  # what is of the moment would be of another second
    assert names[0] == names[1] != names[2]


def test_every_schedule_runs(packaged):
    """Each function that goes by the clock runs on Lambda's runtime without an error."""
    scheduled = dict.fromkeys(name for _, name in schedules_of(packaged.plain))
    assert set(scheduled) == {"Recover", "Remove", "Sweep"}
    for name in scheduled:
        assert packaged.functions[name](scheduled_event(name)) is None


def test_a_function_that_raises_is_an_error(packaged):
    """What a handler raises comes back as Lambda's error, with the type of what was raised."""
    with pytest.raises(FunctionError, match="KeyError"):
        packaged.functions["Ingest"]({"no": "records"})


@pytest.fixture(scope="module")
def client(up: Up) -> Client:
    """A new user, logged in."""
    return up.client()


@pytest.fixture(scope="module")
def project(client: Client) -> str:
    return f"/api/projects/{client.call('POST', '/api/projects', {'projectName': 'a project'})['projectId']}"


def send(client: Client, method: str, path: str, body: bytes, content_type: str) -> urllib3.BaseHTTPResponse:
    headers = {"Authorization": f"Bearer {client.token}", "Content-Type": content_type}
    return client.pool.request(method, client.url + path, body=body, headers=headers)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_is_decoded(client, project, kind):
    """The zip has, after trimming, the libraries for every format that the API takes."""
    content = BytesIO()
    Image.effect_noise((32, 32), FORMATS.index(kind) + 10).convert("RGB").save(content, kind)
    report = client.send_images(project, [(f"picture.{kind.lower()}", content.getvalue())])
    assert report["summary"]["created"] == 1, report


def test_too_large_bodies_are_refused_by_the_gateway(client, project):
    """Over 6 MB as an event, though under 10 MB as a request, a body never reaches the function: 413."""
    content = bytes(5_500_000)
    assert len(b64encode(content)) > 6 * 1024 * 1024
    answer = send(client, "POST", f"{project}/data/images", content, "multipart/form-data; boundary=edge")
    assert answer.status == 413


def test_unknown_paths_never_reach_the_function(client):
    """A path that the template has not is answered by the gateway as a problem, with 403 or 404."""
    answer = send(client, "GET", "/api/nothing", b"", "application/json")
    assert answer.status in {403, 404}
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert json.loads(answer.data)["status"] == answer.status


def test_the_urls_of_objects_are_signed_by_the_functions_role(client, project):
    """An address that the packaged function signs is good for fetching an image from S3."""
    listed = client.call("GET", f"{project}/data/images")["items"]
    url = listed[0]["url"]
    assert "X-Amz-Signature" in urlsplit(url).query
    assert client.pool.request("GET", url).status == 200


def test_a_kept_environment_is_warm(packaged, client):
    """The second request is answered by the process of the first: there is no start in it."""
    client.call("GET", "/api/projects")
    started = time.monotonic()
    client.call("GET", "/api/projects")
    assert time.monotonic() - started < 2
