"""The Log card of a run: live, over two attempts, long, and where there is no log."""

import time
from pathlib import Path

from playwright.sync_api import Page, expect

from chalicelib.contract.states import Status
from tests.browser.jobs import Jobs, figures
from tests.browser.person import Person
from tests.browser.seeding import Tables, epochs, session

#: The first attempt is tried again; the second waits for a word, and fails.
FAILS = """
if attempt == 1:
    say("training")
    say("epoch 1", metrics=EPOCH)
    for number in range(30):
        print(f"line {number} of a library")
    say("terminated; the session is left to the next attempt", "WARNING")
    sys.exit(75)
say("going on from a checkpoint")
while not os.path.exists(WORD):
    time.sleep(0.05)
try:
    raise RuntimeError("a tensor is missing")
except RuntimeError:
    import traceback
    say("unforeseen", "ERROR", exception=traceback.format_exc())
sys.exit(1)
"""
#: How far the reader is from the log's end, and from its beginning, in pixels.
TO_THE_END = "(box => box.scrollHeight - box.scrollTop - box.clientHeight)(document.querySelector('.log'))"
FROM_THE_TOP = "document.querySelector('.log').scrollTop"


def until(page: Page, measure: str, most: float) -> None:
    """A page that evaluates no text as a script can't be asked to wait for one."""
    deadline = time.monotonic() + 20
    while page.evaluate(measure) > most:
        assert time.monotonic() < deadline, page.evaluate(measure)
        time.sleep(0.05)


def test_log_of_a_run_that_is_tried_again_and_fails(page: Page, person: Person, tmp_path: Path) -> None:
    """Lines come as they are written; a reader's place is kept; what failed is told, its traceback folded."""
    project_id, word = person.project(), tmp_path / "word"
    tables = Tables.behind(person.client, project_id)
    running = session(project_id, 1, status=Status.RUNNING, phase="training", end_time=None, metrics=None)
    tables.put("TrainingSessions", [running])
    code = FAILS.replace("EPOCH", figures(1)).replace("WORD", repr(str(word)))
    Jobs.behind(tables).submit(running, code)  # its events bring its id to the session
    person.opens("p", project_id, "runs", running.session_id)
    log = page.get_by_role("log")
    expect(log).to_contain_text("going on from a checkpoint")
    expect(log).to_contain_text("epoch 1: training loss 0.5000, validation loss 0.4000")
    expect(log.get_by_text("attempt 2", exact=True)).to_be_visible()
    expect(log.get_by_text("WARNING terminated")).to_be_visible()
    until(page, TO_THE_END, 8)
    person.looks_at("log-live")

    log.press("Home")
    until(page, FROM_THE_TOP, 0)
    word.touch()
    expect(log).to_contain_text("ERROR unforeseen")
    assert page.evaluate(FROM_THE_TOP) == 0
    trace = log.get_by_text("RuntimeError: a tensor is missing")
    expect(trace).to_be_hidden()
    log.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(trace).to_be_visible()
    expect(page.get_by_role("alert")).to_contain_text("The run failed")
    log.press("End")
    until(page, TO_THE_END, 8)
    person.looks_at("log-failed")


def test_of_a_long_log_the_page_has_the_end(page: Page, person: Person) -> None:
    """At most so many lines are in it, each once and in order, and it says how many aren't.

    That it hadn't begun is said no longer.
    """
    project_id = person.project()
    tables = Tables.behind(person.client, project_id)
    running = session(project_id, 1, status=Status.RUNNING, phase="training", end_time=None, metrics=None)
    tables.put("TrainingSessions", [running])
    person.opens("p", project_id, "runs", running.session_id)
    waiting = page.get_by_text("No container has started yet")
    expect(waiting).to_be_visible()
    Jobs.behind(tables).submit(running, "for number in range(2345): print(f'line {number}')")
    log = page.get_by_role("log")
    expect(log).to_contain_text("line 2344")
    expect(waiting).to_be_hidden()
    expect(log).to_contain_text("345 earlier lines aren't shown")
    shown = page.evaluate("[...document.querySelectorAll('.log li')].map((each) => each.textContent)")
    lines = [each.split("line ")[1] for each in shown if "line " in each]
    assert lines == [str(number) for number in range(345, 2345)]
    until(page, TO_THE_END, 8)


def test_where_the_log_is_gone_its_epochs_stay(page: Page, person: Person) -> None:
    """It says why; the epochs are shown as the tables have them."""
    project_id = person.project()
    tables = Tables.behind(person.client, project_id)
    old = session(project_id, 1, batch_job_id="a-job-of-last-year")
    tables.put("TrainingSessions", [old])
    tables.put("TrainingMetrics", epochs(old.session_id, (0.8, 0.4, 0.2)))
    person.opens("p", project_id, "runs", old.session_id)
    expect(page.get_by_text("AWS Batch keeps a job for about a week after its end")).to_be_visible()
    expect(page.get_by_role("log")).to_contain_text("epoch 3: training loss 0.2000")
