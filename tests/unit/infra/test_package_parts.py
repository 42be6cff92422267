"""The steps from wheels to a zip, on made-up folders."""

import re
from hashlib import sha256

import pytest

from infra.package import PackageError, archive
from infra.package.dependencies import install, recorded
from infra.package.lock import LOCKS, canonical
from infra.package.target import PROCESSORS, Target
from infra.package.template import NO_ROLE, finished, to_merge
from infra.package.trim import trim
from tests.unit.infra.shared_objects import shared_object


def write(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_the_same_files_make_the_same_zip(tmp_path):
    """Neither the order nor the moment shows in a zip: its bytes depend on names and contents alone."""
    files = [("b/x.py", b"x"), ("a.py", b"a")]
    archive.write(tmp_path / "one.zip", files)
    archive.write(tmp_path / "two.zip", reversed(files))
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert archive.read(tmp_path / "one.zip") == sorted(files)


def test_libraries_go_with_the_last_module_that_loads_them(tmp_path):
    """What an unused module loaded goes too, circles included; what is still reached stays."""
    write(
        tmp_path,
        {
            "PIL/_imaging.cpython-313-x86_64-linux-gnu.so": shared_object("libjpeg.so.62"),
            "PIL/_imagingft.cpython-313-x86_64-linux-gnu.so": shared_object("libfreetype.so.6"),
            "pillow.libs/libjpeg.so.62": shared_object("libz.so.1", "libc.so.6"),
            "pillow.libs/libz.so.1": shared_object(),
            "pillow.libs/libfreetype.so.6": shared_object("libharfbuzz.so.0", "libz.so.1"),
            "pillow.libs/libharfbuzz.so.0": shared_object("libfreetype.so.6"),
            "pillow-13.dist-info/RECORD": b"",
            "picture/tests/test_picture.py": b"",
            "picture/view.pyi": b"",
        },
    )
    trim(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.so*")) == [
        "PIL/_imaging.cpython-313-x86_64-linux-gnu.so",
        "pillow.libs/libjpeg.so.62",
        "pillow.libs/libz.so.1",
    ]
    assert not [*tmp_path.glob("*.dist-info"), *tmp_path.rglob("*.pyi"), *tmp_path.rglob("tests")]


@pytest.mark.parametrize(
    ("tag", "is_of_target"),
    [
        ("cp313-cp313-manylinux_2_28_x86_64", True),
        ("cp313-abi3-manylinux2014_x86_64", True),
        ("cp313-cp313-manylinux_2_39_x86_64", False),  # a newer glibc than Lambda's
        ("cp313-cp313-manylinux_2_28_aarch64", False),
        ("cp313-cp313-musllinux_1_2_x86_64", False),
        ("cp313-cp313-linux_x86_64", False),  # built on some machine
    ],
)
def test_only_wheels_of_the_target_bring_shared_objects(tmp_path, tag, is_of_target):
    """A shared object counts as the target's by the platform tag of its wheel; other files by their hash."""
    write(tmp_path, {"a.dist-info/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode()})
    empty = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"  # SHA-256 of nothing, as a record has it
    lines = [f"a/_c.so,sha256={empty},0", f"a/x.py,sha256={empty},0", "a.dist-info/RECORD,,"]
    (tmp_path / "a.dist-info/RECORD").write_text("\n".join(lines))
    found = recorded(tmp_path, Target())
    assert found.binaries == ({"a/_c.so"} if is_of_target else set())
    assert found.files["a/x.py"] == sha256(b"").hexdigest()


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_lock_is_of_the_present_requirements(lock):
    """Every requirement is locked in its version; `python -m infra.package.lock` renews a lock that isn't."""
    locked = re.findall(r"^(\S+==\S+) \\\n +--hash=sha256:[0-9a-f]{64}", lock.read_text(), re.MULTILINE)
    pins = [line for line in LOCKS[lock].read_text().splitlines() if line and line[0] != "#"]
    assert pins
    assert {canonical(name) + "==" + version for name, version in (pin.split("==") for pin in pins)} <= {
        *locked
    }


def test_there_is_no_lambda_on_another_processor():
    """A processor that Lambda has not is refused with those that it has."""
    with pytest.raises(ValueError, match="x86_64 or arm64"):
        Target(architecture="riscv64")


def test_templates_become_one(tmp_path):
    """Members of both templates are joined at every depth, and short forms of functions become long ones."""
    write(
        tmp_path,
        {
            "a.yaml": b"Description: the first\nResources: {T: {Type: A, Properties: {X: !Ref Y}}}",
            "b.yaml": b"Description: another\nResources: {F: {Properties: {Role: !GetAtt R.Arn}}}",
        },
    )
    assert to_merge(tmp_path / "a.yaml", tmp_path / "b.yaml") == {
        "Description": "the first",
        "Resources": {
            "T": {"Type": "A", "Properties": {"X": {"Ref": "Y"}}},
            "F": {"Properties": {"Role": {"Fn::GetAtt": ["R", "Arn"]}}},
        },
    }


def test_templates_that_contradict_each_other_are_refused(tmp_path):
    """The same member with two values is no merge: neither wins silently."""
    write(tmp_path, {"a.yaml": b"Resources: {T: {Type: A}}", "b.yaml": b"Resources: {T: {Type: B}}"})
    with pytest.raises(PackageError, match=r"b.yaml: Resources: T: Type is 'A' already, and not 'B'"):
        to_merge(tmp_path / "a.yaml", tmp_path / "b.yaml")


@pytest.mark.parametrize("architecture", PROCESSORS)
def test_functions_are_made_for_the_target(architecture):
    """Every function gets the target's runtime and processor, whatever ran Chalice, and no stage of its."""
    tags = {"aws-chalice": "stage=dev", "Project": "darkroom"}
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Runtime": "python3.11", "Role": "r"}}
    function["Properties"]["Tags"] = tags
    template = {"Resources": {"F": function, "B": {"Type": "AWS::S3::Bucket"}}}
    done = finished(template, Target("3.13", architecture))["Resources"]
    assert done["F"]["Properties"] == {
        "Runtime": "python3.13", "Architectures": [architecture], "Role": "r", "Tags": {"Project": "darkroom"}
    }  # fmt: skip
    assert done["B"] == {"Type": "AWS::S3::Bucket"}


def test_a_function_without_a_role_is_refused():
    """A function that nobody gave a role is named: Chalice would give all of them one."""
    function = {"Type": "AWS::Serverless::Function", "Properties": {"Role": NO_ROLE}}
    with pytest.raises(PackageError, match="Sweep has no role"):
        finished({"Resources": {"Sweep": function}}, Target())


def test_no_wheel_is_said_by_name(tmp_path):
    """A package of which the target has no wheel is named, and nothing is built from sources."""
    (tmp_path / "lock").write_text("no-such-package-of-darkroom==1.0 --hash=sha256:" + "0" * 64)
    with pytest.raises(PackageError, match="no-such-package-of-darkroom"):
        install(Target(), tmp_path / "vendor", tmp_path / "lock", "--no-index")
