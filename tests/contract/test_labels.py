"""Labels."""

from dataclasses import replace

from chalicelib.contract.ids import LAST
from tests.support import make_label, new_id


def test_labels_are_put_and_listed(ports, project_id):
    """Sixty labels are all stored, and come in the order of their ids, up to a limit."""
    made = [make_label(project_id, new_id(10**12 + number)) for number in range(60)]
    ports.labels.put(made)
    ports.labels.put([])
    assert list(ports.labels.all(project_id)) == made
    assert list(ports.labels.all(project_id, limit=25)) == made[:25]
    assert list(ports.labels.all(project_id, made[25].image_id, LAST, 50)) == made[25:]
    ends = made[1].image_id, made[3].image_id
    assert ports.labels.between(project_id, *ends) == {each.image_id: each for each in made[1:4]}
    assert list(ports.labels.all(project_id, *ends)) == made[1:4]


def test_a_label_is_replaced_and_keeps_its_boxes(ports, project_id):
    """Labelling again replaces, and a list of boxes comes back number for number."""
    image_id = new_id()
    boxes = [{"label": "é", "box": [0, 1.5, 3, 4.25]}]
    ports.labels.put([make_label(project_id, image_id)])
    ports.labels.put([make_label(project_id, image_id, boxes)])
    assert [each.label for each in ports.labels.all(project_id)] == [boxes]
    ports.labels.put([make_label(project_id, image_id, [])])
    assert [each.label for each in ports.labels.all(project_id)] == [[]]


def test_labels_are_replaced_where_they_are_as_they_were_seen(ports, project_id):
    """Of more labels than one call takes, those that changed meanwhile, or went, stay as they are."""
    made = [make_label(project_id, new_id(10**12 + number)) for number in range(110)]
    boxes = [{"label": "cat", "box": [0, 0.1, 3, 4]}]
    made.append(make_label(project_id, new_id(10**12 + 200), boxes))
    ports.labels.put([*made[:108], made[110]])
    theirs = [replace(made[3], updated_at="later"), replace(made[5], label="bird")]
    ports.labels.put(theirs)
    changes = [(each, replace(each, label="dog", updated_at="now")) for each in made]
    held = ports.labels.replace(changes)
    assert [number for number, holds in enumerate(held) if not holds] == [3, 5, 108, 109]
    stored = {each.image_id: each for each in ports.labels.all(project_id)}
    expected = {new.image_id: new for (_, new), holds in zip(changes, held, strict=True) if holds}
    assert stored == expected | {each.image_id: each for each in theirs}


def test_labels_of_many_megabytes_are_replaced(ports, project_id):
    """More than a transaction holds by its size is split further."""
    boxes = [{"label": "x" * 90, "box": [0, 0, 1, 1]}] * 600
    made = [make_label(project_id, new_id(10**12 + number), boxes) for number in range(60)]
    ports.labels.put(made)
    assert all(ports.labels.replace([(each, replace(each, label=[])) for each in made]))
    assert [each.label for each in ports.labels.all(project_id)] == [[]] * 60
