"""What ingest reads of a file that landed, and what labels read of images by name."""

from tests.support import NOW, make_image, make_project, new_id


def test_one_read_finds_the_project_and_the_row(ports):
    """A file of a live project is found, with its row once it has one."""
    project = make_project()
    ports.projects.add(project)
    image = make_image(project.project_id)
    found = ports.arrivals.read(project.project_id, image.image_id)
    assert found is not None
    assert found.row is None
    ports.images.accept(image)
    assert ports.arrivals.read(project.project_id, image.image_id).row == image


def test_a_project_that_is_gone_receives_nothing(ports):
    """Of a deleted project, and of one that never was, nothing is found, whatever rows there are."""
    project = make_project()
    ports.projects.add(project)
    image = make_image(project.project_id)
    ports.images.accept(image)
    ports.projects.delete(project.project_id, NOW)
    assert ports.arrivals.read(project.project_id, image.image_id) is None
    assert ports.arrivals.read(new_id(), image.image_id) is None


def test_images_are_known_by_id_name_and_further_names(ports, project_id):
    """With keys only the images are named that one of the keys means: by id, file name or alias."""
    images = [make_image(project_id, image_id=new_id(10**12 + n), file_name=f"{n}.png") for n in range(4)]
    for each in images:
        ports.images.accept(each)
    ports.images.add_alias(project_id, images[2].image_id, "two.png")
    keys = {images[0].image_id, "1.png", "two.png", "of nothing"}
    found = [each.image_id for each in ports.images.known(project_id, keys)]
    assert found == [each.image_id for each in images[:3]]
    assert len(list(ports.images.known(project_id))) == 4
