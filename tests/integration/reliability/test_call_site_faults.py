"""Every call that every endpoint and every handler makes to AWS, failing in every way.

Each case begins at the same moment, as does a faultless run of the same: what the two answer and leave
must be the same.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
from botocore.retries.quota import RetryQuota

from app import app
from chalicelib import bootstrap
from chalicelib.adapters import dynamodb, transactions
from chalicelib.contract.tables import IDEMPOTENCY
from chalicelib.events import queues
from chalicelib.routes.documentation import BLUEPRINTS
from chalicelib.services import ingest
from infra.local.aws import _backend_app
from infra.local.front import Front
from infra.local.invocations import Invocations
from infra.local.speed import Dispatcher
from tests.integration.conftest import Answer, Api
from tests.integration.reliability import traces
from tests.integration.reliability.injection import Fault, Injection, Site, Wire
from tests.integration.reliability.restoring import reconcile
from tests.integration.reliability.rewinding import Moment
from tests.integration.reliability.scenarios import HANDLERS, REQUESTS, Scenario
from tests.integration.reliability.world import World, build, own_stack
from tests.integration.test_removal import _later

_TRIES = 4


@dataclass(frozen=True, slots=True)
class Left:
    """What a run answered, and what it left."""

    answer: Answer
    lines: list[str]
    loose: list[str]
    sites: Sequence[Site] = ()
    injected: int = 0

    @property
    def body(self) -> str:
        return traces.masked(self.answer.body.decode())


@dataclass(frozen=True, slots=True)
class Case:
    scenario: Scenario
    site: Site
    fault: Fault
    times: int

    def __str__(self) -> str:
        where = f"{self.site.service}:{self.site.operation} number {self.site.number}"
        return f"{self.scenario.name}: {where}, {self.fault} x {self.times}"


class Lab:
    """Runs scenarios, each from the same moment on, with a fault and without."""

    def __init__(self, world: World, wire: Wire, moment: Moment) -> None:
        self._world = world
        self._wire = wire
        self._moment = moment
        self._faultless: dict[tuple[str, int, bool], Left] = {}
        self._loose_before = set(traces.loose_ends(world.stack, world.user_id))

    def faultless(self, scenario: Scenario, requests: int = 1, *, is_settled: bool = False) -> Left:
        key = scenario.name, requests, is_settled
        if key not in self._faultless:
            self._faultless[key] = self._run(scenario, requests, is_settled)
        return self._faultless[key]

    def cases(self, scenario: Scenario) -> list[list[Case]]:
        """For each call of the scenario its cases; from call to call another fault and count come first."""
        found = []
        for number, site in enumerate(self.faultless(scenario).sites):
            pairs = _pairs(site)
            turned = pairs[number % len(pairs) :] + pairs[: number % len(pairs)]
            found.append([Case(scenario, site, *each) for each in turned])
        return found

    def problems(self, case: Case) -> list[str]:
        """What is wrong after a case, each in a sentence; nothing where all is well."""
        scenario = case.scenario
        first, last, settled = self._fail(case)
        for _ in range(_TRIES):
            if first.injected:
                break
            # Files that are taken in side by side make a call more or less from time to time.
            first, last, settled = self._fail(case)
        expected = self.faultless(scenario)
        found = []
        if first.injected != case.times:
            found.append(f"{first.injected} faults were injected")
        if not _is_fine(first.answer, expected.answer):
            found.append(f"answered {first.answer.status} {first.body[:300]}")
        elif first.answer.status == expected.answer.status and first.body != expected.body:
            found.append(f"answered otherwise: {_difference([expected.body], [first.body])}")
        if not _is_fine(last.answer, expected.answer, *scenario.repeats):
            found.append(f"the repeat was answered {last.answer.status} {last.body[:300]}")
        return found + self._remains(scenario, last, settled)

    def _remains(self, scenario: Scenario, last: Left, settled: Left) -> list[str]:
        """What is left that shouldn't be, also after the sweeps."""
        requests = (1, 2) if scenario.twice else (1,)
        wanted = [self.faultless(scenario, each) for each in requests]
        if any(each.lines == last.lines for each in wanted) and not last.loose:
            return []
        faultless = [self.faultless(scenario, each, is_settled=True) for each in requests]
        wanted, found = [traces.lasting(each.lines) for each in faultless], traces.lasting(settled.lines)
        loose = set(settled.loose) - set(faultless[0].loose)
        if (found in wanted or _is_given_up(wanted[0], found)) and not loose:
            return []
        return [f"left: {_difference(wanted[0], found)}", *loose]

    def _begin(self, scenario: Scenario) -> None:
        self._moment.restore()
        if scenario.is_cold:
            bootstrap.services.cache_clear()

    def _run(self, scenario: Scenario, requests: int, is_settled: bool) -> Left:
        self._begin(scenario)
        with self._wire.under(Injection()) as noted:
            for _ in range(requests):
                answer = scenario.act(self._world)
            sites = noted.sites if requests == 1 else ()
        if scenario.is_tick:
            scenario.act(self._world)
        if is_settled:
            self._settle()
        return replace(self._left(answer), sites=list(sites))

    def _fail(self, case: Case) -> tuple[Left, Left, Left]:
        """With the fault; after the repeats that it takes; after the sweeps."""
        scenario = case.scenario
        faultless = self.faultless(scenario)
        self._begin(scenario)
        with self._wire.under(Injection(case.site, case.fault, case.times)) as injection:
            answer = scenario.act(self._world)
        first = replace(self._left(answer), injected=injection.injected)
        # A tick that lost its work to the fault may take two more, where one takes two.
        for _ in range(2 if scenario.is_tick else _asks_again(answer)):
            answer = self._repeat(scenario)
        last = self._left(answer)
        if last.lines != faultless.lines or last.loose:
            self._settle()
            return first, last, self._left(answer)
        return first, last, last

    def _repeat(self, scenario: Scenario) -> Answer:
        for _ in range(_TRIES):
            answer = scenario.act(self._world)
            if answer.status != 409 or "Retry-After" not in answer.headers:
                break
            self._unlock()
        return answer

    def _unlock(self) -> None:
        """The time passes for which a request that died holds its key."""
        for row in list(traces.State(self._world.stack, self._world.user_id).keys_in_flight()):
            self._world.set(IDEMPOTENCY, {"Key": row}, LockedUntil=0)

    def _settle(self) -> None:
        """What the schedules do within hours, the owner's look at an import, and `make reconcile`."""
        for minutes, works in ((12, "sweep"), (12, "removal"), (24, "sweep"), (36, "removal")):
            services, clock = _later(minutes=minutes)
            if works == "sweep":
                services.oversight.sweep()
            else:
                services.removal.run(clock.now() + timedelta(minutes=4))
        for transfer in list(traces.State(self._world.stack, self._world.user_id).transfers()):
            services.transfer_runner.look_after(transfer)
        services, clock = _later(hours=7)
        services.ingest.sweep(clock.now() + timedelta(minutes=1))
        reconcile(hours=8)

    def _left(self, answer: Answer) -> Left:
        stack, user_id = self._world.stack, self._world.user_id
        loose = [each for each in traces.loose_ends(stack, user_id) if each not in self._loose_before]
        return Left(answer, traces.of_user(stack, user_id), loose)


def _pairs(site: Site) -> list[tuple[Fault, int]]:
    """Every fault with every count, so that neighbours differ in both."""
    faults, counts = list(Fault), site.counts
    size = len(faults)
    places = range(size * len(counts))
    return [(faults[each % size], counts[(each + each // size) % len(counts)]) for each in places]


def _asks_again(answer: Answer) -> bool:
    return answer.status in (429, 503) and "Retry-After" in answer.headers


def _is_fine(answer: Answer, expected: Answer, *others: int) -> bool:
    return answer.status in (expected.status, *others) or _asks_again(answer)


def _is_given_up(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Whether all that differs is a run that never reached AWS Batch, and says so to its owner."""
    lacking, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    given_up = [each for each in extra if '"not-submitted"' in each or '"submit-busy"' in each]
    return len(given_up) == len(extra) > 0 and all(each.startswith(("Train", "job")) for each in lacking)


def _difference(wanted: Sequence[str], found: Sequence[str]) -> str:
    lacking, extra = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    return json.dumps({"lacking": sorted(lacking.elements()), "extra": sorted(extra.elements())})


def _bounded(cases: Sequence[Sequence[Case]], times: int) -> list[Case]:
    """So many cases, those of all calls in turn: each call's first, then each one's second, and so on."""
    longest = max(map(len, cases))
    turns = [each[turn] for turn in range(longest) for each in cases if turn < len(each)]
    assert len(cases) <= times <= len(turns), f"{len(cases)} calls, {len(turns)} cases"
    return turns[:times]


@pytest.fixture(scope="module")
def lab(nobody: Api) -> Iterator[Lab]:
    """A stack of its own, without sockets and without the SDK's pauses, and a user with something of all."""
    at_once = SimpleNamespace(sleep=lambda _: None)
    with own_stack("darkroom-faults") as stack, pytest.MonkeyPatch.context() as patch:
        for module in ("botocore.endpoint", dynamodb.__name__, transactions.__name__):
            patch.setattr(f"{module}.time", at_once)
        # Files that are taken in side by side may read a row once or twice.
        for module in (queues.__name__, ingest.__name__):
            patch.setattr(f"{module}.ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
        # The SDK tries less often where much has failed of late, as it has here.
        patch.setattr(RetryQuota, "acquire", lambda *_: True)
        world = build(nobody, stack, f"u-{uuid4().hex[:12]}")
        invocations = Invocations(Dispatcher(_backend_app))
        # What is to fail is the call: what the predictor does behind it has tests of its own.
        invocations.functions[stack.predictor] = lambda _: {"predictions": []}
        wire = Wire(Front(invocations), bootstrap.aws())
        moment = Moment(stack, patch)
        yield Lab(world, wire, moment)
        moment.restore()


def _judge(lab: Lab, scenarios: Sequence[Scenario], times: int) -> None:
    cases = _bounded([each for scenario in scenarios for each in lab.cases(scenario)], times)
    failed = {str(case): problems for case in cases if (problems := lab.problems(case))}
    assert len(cases) == times
    assert not failed, json.dumps(failed, indent=1)


@pytest.mark.injects(
    "one call to AWS of one of the routes fails once, as often as the SDK tries again, or once more",
    times=230,
    soak=3500,
    outcome="a faultless answer, or 503 with Retry-After; the repeat leaves what a faultless request leaves",
)
def test_every_call_of_every_route_may_fail(lab: Lab, times: int) -> None:
    """Whatever call of a request fails, its caller is served or told to ask again, and nothing is lost."""
    _judge(lab, REQUESTS, times)


@pytest.mark.injects(
    "the same of one of the handlers: ingest, job_state, sweep, remove, recover, rotate_keys",
    times=90,
    soak=1400,
    outcome="done, or the message or the tick comes again and does it",
)
def test_every_call_of_every_handler_may_fail(lab: Lab, times: int) -> None:
    """Whatever AWS call of a handler fails, the next try leaves what a faultless one leaves."""
    _judge(lab, HANDLERS, times)


def test_every_endpoint_and_every_handler_is_failed() -> None:
    """A new endpoint or handler needs a scenario; none is left of one that went."""
    declared = {f"{each.method} {each.path}" for blueprint in BLUEPRINTS for each in blueprint.endpoints}
    assert {each.of for each in REQUESTS} == declared
    handlers = {each.name for each in (*app.event_sources, *app.pure_lambda_functions)}
    assert {each.of for each in HANDLERS} == handlers


def test_every_scenario_succeeds_without_a_fault(lab: Lab) -> None:
    """The runs that the others are compared with did what they were asked for, and left no loose ends."""
    for scenario in (*REQUESTS, *HANDLERS):
        found = lab.faultless(scenario)
        assert found.answer.status < 300, (scenario.name, found.answer)
        assert not found.loose, scenario.name
