"""What is wrong in a document is reported by its place; the rest is read."""

import io
import json
from time import process_time

import pytest

from data_job.annotations import Found, Problem
from data_job.archive import Archive
from data_job.formats import read

from .archives import JPEG, everything, opened, problems_in, zipped

BOX = '{"label": "x", "box": [1, 2, 3, 4]}'
CATEGORY = '"categories": [{"id": 1, "name": "x"}]'
IMAGE = '"images": [{"id": 1, "file_name": "a.jpg"}]'
#: A billion laughs.
BOMB = '<!DOCTYPE a [<!ENTITY a0 "x">' + "".join(
    f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10)
)


def test_a_name_that_many_images_have():
    """However many images share a name, each reference costs little, and its own folder still decides."""
    files = {f"{place}/image.jpg": JPEG for place in range(20_000)}
    files["7/labels.csv"] = "image.jpg,cat\n" + "".join(f"{place}k/image.jpg,dog\n" for place in range(2_000))
    files["labels.csv"] = "image.jpg,dog\n"
    with opened(files) as archive:
        began = process_time()
        *found, last = read("csv", archive)
        seconds = process_time() - began
    assert [each.path for each in found] == ["7/image.jpg", *[None] * 2_000]
    assert (last.where.file, last.code) == ("labels.csv", "ambiguous-image")
    assert seconds < 10  # it is a tenth of one; looking at each of them took a minute


def test_a_list_that_is_named_again_and_again():
    """A list of images is read once, however often data.yaml names it."""
    names = ", ".join(["train.txt"] * 1_000)
    files = _yolo("", f"names: [x]\ntrain: [{names}]") | {"train.txt": "images/a.jpg\nnone.jpg\n"}
    assert problems_in("yolo", files) == [("train.txt", 2, None, "image-missing")]


def _coco(annotations: str, images: str = IMAGE, categories: str = CATEGORY) -> dict[str, str]:
    return {"x.json": f'{{{images}, {categories}, "annotations": [{annotations}]}}'}


def _drawn(members: str) -> dict[str, str]:
    return _coco(json.dumps({"image_id": 1, "category_id": 1} | json.loads(members)))


def _images(*images: dict) -> dict[str, str]:
    return _coco("", images=f'"images": {json.dumps(images)}')


def _voc(content: str) -> dict[str, str]:
    return {"a.xml": f"<annotation><filename>a.jpg</filename>{content}</annotation>"}


def _object(name: str = "x", xmin: str = "1", xmax: str = "9") -> str:
    return (
        f"<object><name>{name}</name><bndbox><xmin>{xmin}</xmin><ymin>1</ymin>"
        f"<xmax>{xmax}</xmax><ymax>9</ymax></bndbox></object>"
    )


def _yolo(rows: str, yaml: str = "names: [x, y]") -> dict[str, bytes | str]:
    return {"data.yaml": yaml, "images/a.jpg": JPEG, "labels/a.txt": rows}


def _line(**members) -> str:
    return json.dumps({"source-ref": "a.jpg", **members})


def _detection(annotations, classes) -> dict:
    return {
        "j": {"annotations": annotations},
        "j-metadata": {"type": "groundtruth/object-detection", "class-map": classes},
    }


def _class(job: str, name) -> dict:
    return {job: 0, f"{job}-metadata": {"type": "groundtruth/image-classification", "class-name": name}}


def _boxes(*boxes: dict) -> dict[str, str]:
    return {"o.manifest": _line(**_detection(list(boxes), {"0": "x"}))}


def _own(*images: str) -> dict[str, str]:
    listed = ", ".join(images)
    return {"d.json": f'{{"images": [{listed}]}}'}


TWO_CLASSES = _coco(
    '{"image_id": 1, "category_id": 1}, {"image_id": 1, "category_id": 2}',
    categories='"categories": [{"id": 1, "name": "x"}, {"id": 2, "name": "y"}]',
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation>&x;</annotation>'
GOOD = {"class_id": 0, "left": 1, "top": 1, "width": 5, "height": 5}


@pytest.mark.parametrize(
    ("format", "files", "expected"),
    [
        ("csv", {"a.csv": "a.jpg,cat\nb.jpg\n"}, ("a.csv", 2, None, "too-few-columns")),
        ("csv", {"a.csv": "a.jpg,cat\n,cat\n"}, ("a.csv", 2, None, "file-name-missing")),
        ("csv", {"a.csv": 'a.jpg,cat\nb.jpg,"d\nog"\nc.jpg,cat\n'}, ("a.csv", 2, None, "bad-class")),
        ("csv", {"a.csv": f'a.jpg,cat\nb.jpg,"{"x" * 200_000}"\n'}, ("a.csv", 2, None, "bad-row")),
        ("csv", {"a.csv": b"a.jpg,cat\nb.jpg,caf\xe9\n"}, ("a.csv", 2, None, "not-utf-8")),
        ("csv", {"a.csv": "a.jpg,cat\n" + "x" * 4_000_001}, ("a.csv", 2, None, "line-too-long")),
        ("csv", {"a.csv": "file,class,split\na.jpg,cat,monday\n"}, ("a.csv", 2, None, "bad-split")),
        ("csv", {"a.csv": f"a.jpg,{'x' * 101}\n"}, ("a.csv", 1, None, "bad-class")),
        ("csv", {"a.csv": f"{'x' * 300}.jpg,x\n"}, ("a.csv", 1, None, "file-name-too-long")),
        ("csv", {"a.csv": "a\x01.jpg,x\n"}, ("a.csv", 1, None, "file-name-unsafe")),
        (
            "csv",
            {"d/a.csv": "a.jpg,cat\n", "x/a.jpg": JPEG, "y/a.jpg": JPEG},
            ("d/a.csv", 1, None, "ambiguous-image"),
        ),
        (
            "coco",
            _coco('{"image_id": 2, "category_id": 1}'),
            ("x.json", None, "annotations[0].image_id", "unknown-image-id"),
        ),
        (
            "coco",
            _coco('{"image_id": 1, "category_id": 2}'),
            ("x.json", None, "annotations[0].category_id", "unknown-category"),
        ),
        ("coco", _coco('{"image_id": 1}'), ("x.json", None, "annotations[0].category_id", "bad-id")),
        ("coco", _drawn('{"bbox": [1, 2, 3]}'), ("x.json", None, "annotations[0].bbox", "bad-box")),
        ("coco", _drawn('{"bbox": [1, 2, 0, 3]}'), ("x.json", None, "annotations[0].bbox", "empty-box")),
        ("coco", _drawn('{"bbox": [1, 2, "w", 3]}'), ("x.json", None, "annotations[0].bbox", "bad-number")),
        (
            "coco",
            _drawn('{"bbox": [1e308, 2, 1e308, 3]}'),
            ("x.json", None, "annotations[0].bbox", "bad-number"),
        ),
        (
            "coco",
            _drawn('{"iscrowd": 1, "segmentation": {"counts": [1]}}'),
            ("x.json", None, "annotations[0]", "crowd-skipped"),
        ),
        ("coco", _coco("7"), ("x.json", None, "annotations[0]", "not-an-object")),
        ("coco", _images({"id": 1}), ("x.json", None, "images[0].file_name", "file-name-missing")),
        (
            "coco",
            _images({"id": 1, "file_name": "a\x01.jpg"}),
            ("x.json", None, "images[0].file_name", "file-name-unsafe"),
        ),
        (
            "coco",
            _images({"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}),
            ("x.json", None, "images[1].id", "duplicate-id"),
        ),
        (
            "coco",
            _coco("", categories='"categories": [{"id": 1, "name": ""}]'),
            ("x.json", None, "categories[0].name", "bad-class"),
        ),
        ("coco", TWO_CLASSES, ("x.json", None, "images[0]", "several-classes")),
        ("voc", {"a.xml": "<annotation>\n<object>\n</annotation>"}, ("a.xml", 3, None, "bad-xml")),
        ("voc", {"a.xml": "<html/>"}, ("a.xml", None, None, "not-voc")),
        ("voc", {"a.xml": "<annotation/>"}, ("a.xml", None, "filename", "file-name-missing")),
        ("voc", _voc(_object(name="")), ("a.xml", None, "object[0].name", "bad-class")),
        (
            "voc",
            _voc(_object() + _object(xmin="left")),
            ("a.xml", None, "object[1].bndbox.xmin", "bad-number"),
        ),
        ("voc", _voc(_object(xmin="nan")), ("a.xml", None, "object[0].bndbox.xmin", "bad-number")),
        ("voc", _voc(_object(xmax="1")), ("a.xml", None, "object[0].bndbox", "empty-box")),
        (
            "voc",
            _voc("<object><name>x</name></object>"),
            ("a.xml", None, "object[0].bndbox.xmin", "bad-number"),
        ),
        ("voc", _voc(_object() * 10_001), ("a.xml", None, None, "too-many-boxes")),
        ("voc", {"a.xml": BOMB + "]><annotation>&a9;</annotation>"}, ("a.xml", None, None, "xml-entity")),
        ("voc", {"a.xml": EXTERNAL}, ("a.xml", None, None, "xml-entity")),
        ("voc", {"a.xml": b"<annotation>" + b" " * 4_000_000}, ("a.xml", None, None, "too-large")),
        (
            "voc",
            {"a.xml": '<?xml version="1.0" encoding="klingon"?><annotation/>'},
            ("a.xml", None, None, "bad-xml"),
        ),
        ("yolo", _yolo("0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1\n"), ("labels/a.txt", 2, None, "unknown-class")),
        ("yolo", _yolo("x 0.5 0.5 0.1 0.1\n"), ("labels/a.txt", 1, None, "unknown-class")),
        ("yolo", _yolo("\n0 0.5 0.5 0.1\n"), ("labels/a.txt", 2, None, "bad-row")),
        ("yolo", _yolo("0 0.5 0.5 0.1 nan\n"), ("labels/a.txt", 1, None, "bad-number")),
        ("yolo", _yolo("0 240 120 64 48\n"), ("labels/a.txt", 1, None, "box-not-relative")),
        ("yolo", _yolo("0 0.5 0.5 0 0.1\n"), ("labels/a.txt", 1, None, "empty-box")),
        ("yolo", _yolo(b"0 0.5 0.5 0.1 0.1\n\xff\n"), ("labels/a.txt", 2, None, "not-utf-8")),
        ("yolo", {**_yolo(""), "labels/b.txt": ""}, ("labels/b.txt", None, None, "label-without-image")),
        (
            "yolo",
            _yolo("", "names: [x]\ntest: ../test/images\n"),
            ("data.yaml", None, "test", "folder-empty"),
        ),
        ("yolo", _yolo("", "names: [x, '']"), ("data.yaml", None, "names[1]", "bad-class")),
        ("yolo", _yolo("", "names: {a: x}"), ("data.yaml", None, "names", "bad-names")),
        ("yolo", _yolo("", "names: x"), ("data.yaml", None, None, "bad-names")),
        ("yolo", _yolo("", "- names"), ("data.yaml", None, None, "bad-yaml")),
        ("yolo", _yolo("", "names: [x\ntrain: y"), ("data.yaml", 2, None, "bad-yaml")),
        ("yolo", _yolo("", "a: &a [x]\nnames: *a\n"), ("data.yaml", None, None, "yaml-alias")),
        ("yolo", _yolo("", "names: " + "[" * 5000), ("data.yaml", None, None, "bad-yaml")),
        (
            "yolo",
            {**_yolo("", "names: [x]\ntrain: t.txt"), "t.txt": "b.jpg\n"},
            ("t.txt", 1, None, "image-missing"),
        ),
        ("manifest", {"o.manifest": "{}\n"}, ("o.manifest", 1, "source-ref", "file-name-missing")),
        ("manifest", {"o.manifest": _line() + "\n{'a': 1}\n"}, ("o.manifest", 2, None, "not-json")),
        (
            "manifest",
            {"o.manifest": '{"source-ref": "a.jpg", "x": NaN}'},
            ("o.manifest", 1, None, "not-json"),
        ),
        ("manifest", {"o.manifest": "[" * 100_000}, ("o.manifest", 1, None, "not-json")),
        ("manifest", {"o.manifest": "[1]"}, ("o.manifest", 1, None, "not-an-object")),
        ("manifest", {"o.manifest": _line(split="x")}, ("o.manifest", 1, "split", "bad-split")),
        (
            "manifest",
            {"o.manifest": _line(**_class("j", None))},
            ("o.manifest", 1, "j-metadata.class-name", "bad-class"),
        ),
        (
            "manifest",
            {"o.manifest": _line(**_class("j", "x"), **_class("k", "y"))},
            ("o.manifest", 1, None, "several-labels"),
        ),
        (
            "manifest",
            _boxes(GOOD, GOOD | {"class_id": 9}),
            ("o.manifest", 1, "j.annotations[1].class_id", "unknown-category"),
        ),
        ("manifest", _boxes(GOOD | {"left": "x"}), ("o.manifest", 1, "j.annotations[0].left", "bad-number")),
        ("manifest", _boxes(GOOD | {"width": 0}), ("o.manifest", 1, "j.annotations[0]", "empty-box")),
        ("manifest", {"o.manifest": _line(**_detection(7, {"0": "x"}))}, ("o.manifest", 1, "j", "bad-boxes")),
        (
            "darkroom",
            {"d.json": '{"version": 2, "images": []}'},
            ("d.json", None, "version", "unknown-version"),
        ),
        ("darkroom", {"d.json": "[]"}, ("d.json", None, None, "not-an-object")),
        (
            "darkroom",
            _own('{"fileName": "a.jpg", "label": "x"}, {}'),
            ("d.json", None, "images[1].fileName", "file-name-missing"),
        ),
        (
            "darkroom",
            _own('{"fileName": "a.jpg", "label": "x", "split": "no"}'),
            ("d.json", None, "images[0].split", "bad-split"),
        ),
        (
            "darkroom",
            _own('{"fileName": "a.jpg", "label": 7}'),
            ("d.json", None, "images[0].label", "bad-class"),
        ),
        (
            "darkroom",
            _own(f'{{"fileName": "a.jpg", "label": [{BOX}, {{"label": "x"}}]}}'),
            ("d.json", None, "images[0].label[1]", "bad-box"),
        ),
        (
            "darkroom",
            {"d.json": '{"images": [{"fileName": "a.jpg", "label": "x"}, '},
            ("d.json", None, "after images[0]", "not-json"),
        ),
        (
            "darkroom",
            _own('{"fileName": "a.jpg", "label": NaN}'),
            ("d.json", None, "after images", "not-json"),
        ),
        (
            "darkroom",
            _own('{"fileName": "' + "x" * 5_000_000 + '"}'),
            ("d.json", None, "after images", "too-large"),
        ),
        ("imagefolder", {f"{'x' * 101}/a.jpg": JPEG}, (f"{'x' * 101}/a.jpg", None, None, "bad-class")),
        (
            "imagefolder",
            {"darkroom-folders.json": "{}", "x/a.jpg": JPEG},
            ("darkroom-folders.json", None, None, "bad-folders"),
        ),
    ],
)
def test_a_problem_has_its_place(format, files, expected):
    """Each kind of mistake is one problem, with its file, its line or key, and its code."""
    assert problems_in(format, files) == [expected]


@pytest.mark.parametrize(
    ("format", "files"),
    [
        ("voc", _voc(_object() + _object(xmin="left"))),
        ("yolo", _yolo("0 0.5 0.5 0.1 0.1\n2 0.5 0.5 0.1 0.1\n")),
        ("manifest", _boxes(GOOD, GOOD | {"class_id": 9})),
        (
            "coco",
            _coco(
                ", ".join(
                    f'{{"image_id": 1, "category_id": 1, "bbox": {box}}}' for box in ("[1, 2, 3, 4]", 7)
                )
            ),
        ),
        ("coco", _coco('{"image_id": 1, "category_id": 1, "iscrowd": 1}')),
        ("darkroom", _own(f'{{"fileName": "a.jpg", "label": [{BOX}, 7]}}')),
    ],
)
def test_half_a_label_is_none(format, files):
    """An image of which a box can't be read is found without boxes, never with the rest of them."""
    [found] = [each for each in everything(format, files) if isinstance(each, Found)]
    assert (found.name, found.label, found.boxes) == ("a.jpg", None, None)


@pytest.mark.parametrize(
    ("rest", "code"), [("{", "not-json"), ("[" * 40 + "]" * 40 + "]}", "too-deep"), ("{}], 7", "not-json")]
)
def test_a_coco_file_cut_off_gives_nothing(rest, code):
    """Images whose annotations may be lost aren't taken for images without objects."""
    text = f'{{{IMAGE}, {CATEGORY}, "annotations": [{{"image_id": 1, "category_id": 1}}, {rest}'
    found = everything("coco", {"x.json": text})
    codes = [each.code for each in found if isinstance(each, Problem) and each.code != "bad-id"]
    assert codes == [code, "document-skipped"]
    assert not [each for each in found if isinstance(each, Found)]
    assert found[-2].where.key.startswith("after annotations")


def test_a_damaged_document_is_a_problem_of_its_own():
    """What the archive can't give of one document is reported; the next one is read."""
    content = zipped({"a.csv": "a.jpg,cat\n" * 9, "b.csv": "b.jpg,dog\n"}).getvalue()
    file = bytearray(content)
    file[38] ^= 0xFF
    with Archive(io.BytesIO(bytes(file)), "data.zip") as archive:
        found = list(read("csv", archive))
    assert [(each.where.file, each.code) for each in found if isinstance(each, Problem)] == [
        ("a.csv", "damaged-in-archive")
    ]
    assert [each.name for each in found if isinstance(each, Found)] == ["b.jpg"]
