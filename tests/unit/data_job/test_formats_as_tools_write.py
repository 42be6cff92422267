"""Small data sets as the tools themselves write them."""

import json

import pytest

from chalicelib.contract.errors import UnprocessableError
from data_job.annotations import FoundBox
from data_job.formats import detect

from .archives import JPEG, found_in, opened, problems_in


def _short(format, files):
    """(name, path, label, boxes in pixels of 640 x 480, split) of each image; no problem may be there."""
    with opened(files) as archive:
        assert detect(archive) == format
    return [
        (
            each.name,
            each.path,
            each.label,
            None
            if each.boxes is None
            else [(box.label, *(round(side, 3) for side in box.in_pixels(640, 480))) for box in each.boxes],
            each.split,
        )
        for each in found_in(format, files)
    ]


ROBOFLOW_YAML = """train: ../train/images
val: ../valid/images
test: ../test/images

nc: 2
names: ['Hard Hat', 'no']

roboflow:
  workspace: acme
  version: 3
"""


def test_yolo_of_roboflow():
    """Roboflow: paths that climb out of the folder, a class that YAML takes for a boolean, a polygon."""
    files = {
        "README.roboflow.txt": "x",
        "data.yaml": ROBOFLOW_YAML,
        "train/images/a_jpg.rf.1.jpg": JPEG,
        "train/labels/a_jpg.rf.1.txt": "1 0.5 0.5 0.25 0.5\n0 0 0 0.5 0 0.5 0.5 0 0.5\n",
        "valid/images/b.jpg": JPEG,
        "valid/labels/b.txt": "",
        "test/images/c.jpg": JPEG,
    }
    assert _short("yolo", files) == [
        (
            *("a_jpg.rf.1.jpg", "train/images/a_jpg.rf.1.jpg", None),
            [("no", 240, 120, 160, 240), ("Hard Hat", 0, 0, 320, 240)],
            "train",
        ),
        ("b.jpg", "valid/images/b.jpg", None, [], "val"),
        ("c.jpg", "test/images/c.jpg", None, [], "test"),
    ]


@pytest.mark.parametrize("root", ["", "coco8/"])
def test_yolo_of_ultralytics(root):
    """Ultralytics: `path`, names as a map, images/train and labels/train; also with a folder around all."""
    yaml = "path: ../datasets/coco8 # root\ntrain: images/train\nval: images/val\ntest:\n"
    yaml += "names:\n  0: person\n  1: 007\n"
    files = {
        f"{root}coco8.yaml": yaml,
        f"{root}images/train/1.jpg": JPEG,
        f"{root}labels/train/1.txt": "1 0.5 0.5 1 1 0.87\n",
        f"{root}images/val/sub/2.jpg": JPEG,
    }
    assert _short("yolo", files) == [
        ("1.jpg", f"{root}images/train/1.jpg", None, [("007", 0, 0, 640, 480)], "train"),
        ("sub/2.jpg", f"{root}images/val/sub/2.jpg", None, [], "val"),
    ]


def test_yolo_with_lists_of_images():
    """A split may be a text file that names its images."""
    files = {
        "data.yaml": "train: train.txt\nval: [val.txt]\nnames: [cat]\n",
        "train.txt": "./images/1.jpg\n",
        "val.txt": "./images/2.jpg\r\n",
        "images/1.jpg": JPEG,
        "images/2.jpg": JPEG,
    }
    assert [(each[0], each[4]) for each in _short("yolo", files)] == [("1.jpg", "train"), ("2.jpg", "val")]


def test_yolo_of_labelimg():
    """LabelImg: classes.txt, and each .txt beside its image."""
    files = {"classes.txt": "dog\ncat\n", "a.jpg": JPEG, "a.txt": "1 0.5 0.5 0.5 0.5\n"}
    assert _short("yolo", files) == [("a.jpg", "a.jpg", None, [("cat", 160, 120, 320, 240)], None)]


LABELIMG = """<annotation>
	<folder>photos</folder>
	<filename>a.jpg</filename>
	<path>C:\\Users\\me\\photos\\a.jpg</path>
	<source><database>Unknown</database></source>
	<size><width>640</width><height>480</height><depth>3</depth></size>
	<segmented>0</segmented>
	<object>
		<name>dog</name>
		<pose>Unspecified</pose>
		<truncated>0</truncated>
		<difficult>0</difficult>
		<bndbox>
			<xmin>10</xmin>
			<ymin>20.5</ymin>
			<xmax>110</xmax>
			<ymax>70</ymax>
		</bndbox>
	</object>
</annotation>
"""


def test_voc_of_labelimg():
    """LabelImg: side by side, an absolute path of Windows that is passed over."""
    files = {"photos/a.jpg": JPEG, "photos/a.xml": LABELIMG}
    expected = [("a.jpg", "photos/a.jpg", None, [("dog", 10, 20.5, 100, 49.5)], None)]
    assert _short("voc", files) == expected


def test_voc_by_folders_of_splits():
    """Roboflow: train/ and valid/ hold both; the same name in two of them is two images."""
    files = {
        "train/a.jpg": JPEG,
        "train/a.xml": LABELIMG,
        "valid/a.jpg": JPEG,
        "valid/a.xml": LABELIMG.replace("dog", "cat"),
    }
    assert [(each[1], each[3][0][0], each[4]) for each in _short("voc", files)] == [
        ("train/a.jpg", "dog", "train"),
        ("valid/a.jpg", "cat", "val"),
    ]


def test_voc_by_the_name_of_the_file():
    """An XML whose filename lacks its ending, or is missing, belongs to the image that is called like it."""
    files = {
        "Annotations/1.xml": LABELIMG.replace("a.jpg</f", "1</f"),
        "Annotations/2.xml": LABELIMG.replace("<filename>a.jpg</filename>", ""),
        "JPEGImages/1.jpg": JPEG,
        "JPEGImages/2.png": JPEG,
        "ImageSets/Main/trainval.txt": "1\n2\n",
        "ImageSets/Main/dog_train.txt": "1  1\n2 -1\n",
        "ImageSets/Main/val.txt": "2\n",
    }
    assert [(each[0], each[1], each[4]) for each in _short("voc", files)] == [
        ("1.jpg", "JPEGImages/1.jpg", None),
        ("2.png", "JPEGImages/2.png", "val"),
    ]


def _coco(**changes):
    document = {
        "info": {"description": "x"},
        "licenses": [{"id": 1, "name": "CC"}],
        "images": [{"id": 0, "license": 1, "file_name": "a.jpg", "height": 480, "width": 640}],
        "annotations": [
            {
                "id": 0,
                "image_id": 0,
                "category_id": 1,
                "bbox": [1, 2, 30.5, 40],
                "area": 1220,
                "segmentation": [[1, 2, 3, 4, 5, 6]],
                "iscrowd": 0,
            }
        ],
        "categories": [{"id": 0, "name": "x", "supercategory": "none"}, {"id": 1, "name": "dog"}],
    }
    return json.dumps(document | changes)


def test_coco_of_roboflow():
    """Roboflow: _annotations.coco.json in each split's folder, with the same file name in two."""
    files = {
        "train/_annotations.coco.json": _coco(),
        "train/a.jpg": JPEG,
        "valid/_annotations.coco.json": _coco(annotations=[]),
        "valid/a.jpg": JPEG,
    }
    assert _short("coco", files) == [
        ("a.jpg", "train/a.jpg", None, [("dog", 1, 2, 30.5, 40)], "train"),
        ("a.jpg", "valid/a.jpg", None, [], "val"),
    ]


def test_coco_with_annotations_first_and_ids_as_text():
    """The order of the lists is free, and an id may be a number here and text there."""
    text = (
        '{"annotations": [{"image_id": "7", "category_id": 1.0, "bbox": [1, 2, 3, 4]}],'
        ' "categories": [{"id": "1", "name": "dog"}], "images": [{"id": 7, "file_name": "a.jpg"}]}'
    )
    assert _short("coco", {"x.json": text}) == [("a.jpg", None, None, [("dog", 1, 2, 3, 4)], None)]


def test_coco_without_annotations_says_nothing_of_objects():
    """A list of images alone, as image_info_test2017.json is, doesn't make negatives of them."""
    text = '{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": []}'
    assert _short("coco", {"image_info_test2017.json": text}) == [("a.jpg", None, None, None, "test")]


def test_manifest_of_ground_truth():
    """Ground Truth: S3 URIs, found by their ends; an image without objects is a negative."""
    metadata = {"class-map": {"3": "dog"}, "type": "groundtruth/object-detection", "human-annotated": "yes"}
    box = {"class_id": 3, "top": 20, "left": 10, "height": 40, "width": 30}
    rows = [
        {"source-ref": "s3://b/k/train/a.jpg", "job": {"annotations": [box]}, "job-metadata": metadata},
        {"source-ref": "s3://b/k/b.jpg", "job": {"annotations": []}, "job-metadata": metadata},
        {"source-ref": "s3://b/k/c.jpg"},
    ]
    files = {
        "output.manifest": "\n".join(json.dumps(row) for row in rows),
        "train/a.jpg": JPEG,
        "val/a.jpg": JPEG,
    }
    assert _short("manifest", files) == [
        ("train/a.jpg", "train/a.jpg", None, [("dog", 10, 20, 30, 40)], None),
        ("b.jpg", None, None, [], None),
        ("c.jpg", None, None, None, None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,cat\nsub/b.jpg,dog\n",
        "\ufeffa.jpg,cat\r\nsub/b.jpg,dog\r\n",
        "image;class\na.jpg;cat\nsub/b.jpg;dog",
        "Label\tFileName\ncat\ta.jpg\ndog\tsub/b.jpg\n",
        'id,label,path\n1,"cat",a.jpg\n2,"dog",sub\\b.jpg\n',
        "a.jpg, cat \n\n\nsub/b.jpg,dog\n",
        "file,class\n/home/me/a.jpg,cat\nC:\\photos\\sub\\b.jpg,dog\n",
    ],
)
def test_csv_of_any_kind(text):
    """With a header or without, in any order, with any delimiter, from a spreadsheet or another machine."""
    files = {"labels.csv": text, "data/a.jpg": JPEG, "data/sub/b.jpg": JPEG}
    assert _short("csv", files) == [
        ("a.jpg", "data/a.jpg", "cat", None, None),
        ("sub/b.jpg", "data/sub/b.jpg", "dog", None, None),
    ]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["cat/a.jpg", "dog/b/c.jpg"], [("a.jpg", "cat", None), ("b/c.jpg", "dog", None)]),
        (["pets/cat/a.jpg", "pets/dog/b.jpg"], [("a.jpg", "cat", None), ("b.jpg", "dog", None)]),
        (["x/Train/cat/a.jpg", "x/valid/cat/b.jpg"], [("a.jpg", "cat", "train"), ("b.jpg", "cat", "val")]),
        (["train/a.jpg", "car/b.jpg"], [("a.jpg", "train", None), ("b.jpg", "car", None)]),
        (["train/cat/a.jpg", "test/b.jpg"], [("a.jpg", "cat", "train"), ("b.jpg", None, "test")]),
        (["a.jpg", "cat/b.jpg"], [("a.jpg", None, None), ("b.jpg", "cat", None)]),
        (
            ["home/me/pets/cat/a.jpg", "home/me/pets/dog/b.jpg"],
            [("a.jpg", "cat", None), ("b.jpg", "dog", None)],
        ),
        (
            ["x/images/train/cat/a.jpg", "x/images/val/b/c.jpg"],
            [("a.jpg", "cat", "train"), ("c.jpg", "b", "val")],
        ),
        (["pets/cat/a.jpg", "pets/cat/in/b.jpg"], [("a.jpg", "cat", None), ("in/b.jpg", "cat", None)]),
        (
            ["a%2Fb/c.jpg", "t-0123456789ab/d.jpg"],
            [("c.jpg", "a%2Fb", None), ("d.jpg", "t-0123456789ab", None)],
        ),
    ],
)
def test_image_folders(paths, expected):
    """Folders are classes, but for a root around all and for splits; nothing is decoded from elsewhere."""
    found = _short("imagefolder", dict.fromkeys(paths, JPEG))
    assert [(name, label, split) for name, _, label, _, split in found] == expected


def test_a_class_of_yolo_in_folders():
    """YOLO without data.yaml is a data set of classes in folders."""
    files = {"train/cat/a.jpg": JPEG, "val/cat/b.jpg": JPEG}
    assert [(each.label, each.split) for each in found_in("yolo", files)] == [
        ("cat", "train"),
        ("cat", "val"),
    ]


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": "x"},
        {"x.json": '{"a": 1}'},
        {"x.json": "[1, 2]"},
        {"x.json": "{"},
        {"x.xml": "<html/>"},
        {"x.csv": "one\ntwo\n"},
        {"x.yaml": "a: b"},
        {"x.manifest": "hello"},
    ],
)
def test_what_is_in_no_format(files):
    """What is in none of the formats is refused with a hint that names them."""
    with opened(files) as archive, pytest.raises(UnprocessableError) as caught:
        detect(archive)
    assert caught.value.code == "format-not-recognised"
    assert "docs/data.md" in caught.value.hint


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (FoundBox("x", (-0.6, -1, 10, 10)), [0, 0, 9.4, 9]),
        (FoundBox("x", (95, 40, 6, 11)), [95, 40, 5, 10]),
        (FoundBox("x", (-2, 0, 10, 10)), [-2, 0, 10, 10]),
        (FoundBox("x", (95, 0, 10, 10)), [95, 0, 10, 10]),
        (FoundBox("x", (0.5, 0.5, 0.5, 0.5), relative=True), [50, 25, 50, 25]),
        (FoundBox("x", (0.029999, 0.06, 1e-9, 0.5), relative=True), [3, 3, 1e-7, 25]),
    ],
)
def test_boxes_in_pixels(box, expected):
    """What rounding leaves outside an image of 100 x 50 is cut off; more than a pixel stays."""
    assert box.in_pixels(100, 50) == pytest.approx(expected, rel=1e-12)


def test_a_problem_in_one_place_leaves_the_rest():
    """A bad row costs its own image's label only."""
    files = {"labels.csv": "file,class\na.jpg,\nb.jpg,dog\n"}
    assert problems_in("csv", files) == [("labels.csv", 2, None, "bad-class")]
