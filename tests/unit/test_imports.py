"""Who may import whom, read from the source itself."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Packages whose module is called otherwise.
MODULES = {"pillow": "PIL", "pyyaml": "yaml"}
#: What the packages in requirements.txt bring along and is part of their interface.
BROUGHT = {"botocore"}


def _sources(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def _imported(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, wherever in it."""
    package = list(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package[: len(package) - level + 1] if level else []
                own = ".".join([*base, *([module] if module else [])])
                # `from . import x` names a module by what it imports.
                yield from ([own] if module else [f"{own}.{each.name}" for each in names])


def _is_below(module: str, *packages: str) -> bool:
    return any(module == each or module.startswith(f"{each}.") for each in packages)


def _is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _packages(container: str) -> set[str]:
    lines = (ROOT / container / "requirements.txt").read_text().splitlines()
    names = {re.split("[=<>\\[ ]", line)[0].lower() for line in lines if line and not line.startswith("#")}
    return {MODULES.get(name, name) for name in names} | BROUGHT


def _breaches(folders: tuple[str, ...], allowed) -> list[str]:
    files = _sources(*folders)
    assert files, f"nothing in {folders}"
    return [
        f"{path.relative_to(ROOT)}: {module}"
        for path in files
        for module in _imported(path)
        if not allowed(module)
    ]


def test_services_know_neither_aws_nor_http():
    """Use-cases import the standard library, the contract and each other, and nothing else."""
    assert not _breaches(
        ("chalicelib/services",),
        lambda module: (
            _is_standard(module) or _is_below(module, "chalicelib.contract", "chalicelib.services")
        ),
    )


def test_the_contract_stands_alone():
    """The contract imports the standard library and itself."""
    assert not _breaches(
        ("chalicelib/contract",),
        lambda module: _is_standard(module) or _is_below(module, "chalicelib.contract"),
    )


def test_adapters_know_no_http():
    """Adapters import no route, no event and no chalice."""
    forbidden = ("chalice", "chalicelib.routes", "chalicelib.events", "chalicelib.schemas")
    assert not _breaches(("chalicelib/adapters",), lambda module: not _is_below(module, *forbidden))


def test_routes_reach_aws_through_services_only():
    """Views import neither boto3 nor an adapter."""
    forbidden = ("boto3", "botocore", "chalicelib.adapters")
    folders = ("chalicelib/routes", "chalicelib/schemas")
    assert not _breaches(folders, lambda module: not _is_below(module, *forbidden))


def test_the_container_needs_nothing_else_of_ours():
    """The training job imports itself, the contract, the standard library and what it installs."""
    packages = _packages("training_job")
    assert not _breaches(
        ("training_job",),
        lambda module: (
            _is_standard(module)
            or _is_below(module, "training_job", "chalicelib.contract")
            or module.partition(".")[0] in packages
        ),
    )


def test_the_worker_needs_nothing_of_http():
    """The data job imports itself, the contract, the use-cases, some adapters, and what it installs."""
    packages = _packages("data_job")
    ours = ("data_job", "chalicelib.contract", "chalicelib.services", "chalicelib.adapters")
    assert not _breaches(
        ("data_job",),
        lambda module: (
            _is_standard(module) or _is_below(module, *ours) or module.partition(".")[0] in packages
        ),
    )


def test_the_client_knows_the_api_alone():
    """The client imports itself, the standard library and what it installs: nothing that a server has."""
    installed = ("darkroom", "httpx", "typer", "rich")
    files = _sources("client")
    modules = {(path, each) for path in files for each in _imported(path) if not each.startswith("client.")}
    assert modules
    assert not [each for each in modules if not (_is_standard(each[1]) or _is_below(each[1], *installed))]


_LOADED = """
import json, sys
sys.modules |= dict.fromkeys(json.loads(sys.argv[1]))  # importing one of them fails
import data_job.__main__
"""


def test_the_worker_runs_without_the_packages_of_the_api():
    """All that the worker imports, adapters included, is in its own image: the API's packages aren't."""
    own = _packages("data_job")
    others = {
        re.split("[=<>\\[ ]", line)[0].lower()
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    }
    modules = {"argon2-cffi": "argon2", "aws-lambda-powertools": "aws_lambda_powertools", "pyjwt": "jwt"}
    absent = {modules.get(name, MODULES.get(name, name)) for name in others} - own | {"chalice"}
    assert {"pydantic", "jwt", "argon2", "chalice"} <= absent
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(sorted(absent))],
        cwd=ROOT, env={}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_predictor_has_of_ours_what_its_zip_has():
    """The predictor imports itself, the contract, the training's decoding, and what it installs."""
    packages = _packages("predictor") | {"boto3"}
    ours = ("predictor", "chalicelib.contract", "training_job.pictures")
    assert not _breaches(
        ("predictor",),
        lambda module: (
            _is_standard(module) or _is_below(module, *ours) or module.partition(".")[0] in packages
        ),
    )


def test_nothing_imports_the_tests():
    """No production code depends on a test, nor on the embedded stack."""
    folders = ("chalicelib", "training_job", "data_job", "predictor")
    assert not _breaches(folders, lambda module: not _is_below(module, "tests", "infra"))
    assert not _breaches(("infra",), lambda module: not _is_below(module, "tests"))


_WATCHED = """
import importlib, json, os, pkgutil, sys

ours = os.path.join(os.getcwd(), "chalicelib")
found = []

class Watched(dict):
    def _look(self, name):
        frame = sys._getframe(2)
        while frame and frame.f_code.co_filename.startswith(("<frozen", os.__file__)):
            frame = frame.f_back
        if frame and frame.f_code.co_filename.startswith(ours):
            found.append(f"{frame.f_code.co_filename}: {name}")
    def __getitem__(self, name):
        self._look(name)
        return super().__getitem__(name)
    def __contains__(self, name):
        self._look(name)
        return super().__contains__(name)
    def get(self, name, default=None):
        self._look(name)
        return super().get(name, default)

os.environ = Watched(os.environ)
os.getenv = os.environ.get
sys.addaudithook(lambda event, args: found.append(event) if event == "socket.connect" else None)
import chalicelib
names = [each.name for each in pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")]
for name in names:
    importlib.import_module(name)
import boto3
clients = boto3.DEFAULT_SESSION is not None
print(json.dumps({"modules": len(names), "found": found, "clients": clients}))
"""


def test_importing_does_nothing():
    """Without any environment every module can be imported: no variable is read, nobody is called."""
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED], cwd=ROOT, env={}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["modules"] > 40
    assert (seen["found"], seen["clients"]) == ([], False)


@pytest.mark.parametrize("source", ["import chalice.app", "from . import x", "from ..routes.api import Api"])
def test_the_reader_of_imports_sees_them(source, tmp_path):
    """The rules above see absolute, relative and nested imports: they can fail."""
    path = ROOT / "chalicelib/services/imagined.py"
    tree = ast.parse(f"def f():\n    {source}")
    assert any(isinstance(node, ast.Import | ast.ImportFrom) for node in ast.walk(tree))
    expected = {
        "import chalice.app": "chalice.app",
        "from . import x": "chalicelib.services.x",
        "from ..routes.api import Api": "chalicelib.routes.api",
    }
    written = tmp_path / "imagined.py"
    written.write_text(f"def f():\n    {source}")
    assert list(_names_in(written, path)) == [expected[source]]


def _names_in(written: Path, place: Path) -> Iterator[str]:
    class Placed(type(place)):
        def read_text(self):
            return written.read_text()

    return _imported(Placed(place))
