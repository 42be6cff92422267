"""The end-to-end tests of the main job on the packaged functions: their fixture `up` is another one here."""

from tests.e2e.test_main_job import test_images_become_a_model as test_images_become_a_model
from tests.e2e.test_main_job import test_killed_process_is_seen as test_killed_process_is_seen
