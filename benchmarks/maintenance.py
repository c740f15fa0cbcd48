"""What does it cost to look after machines: to evaluate conditions, and to make requests of what they find?

- Readings a second: 1,000 conditions over 200 machines, of each kind, each with what it remembers kept as JSON between two
  polls as the poller does it, on one core. Each reading is one value, state or alarm of one machine; its five conditions look
  at what concerns them. What is found is compared with a plain look at the same readings before a figure is printed.
- Requests: ``faults/``; pieces beside a flood of alarms: ``floods/``.
"""

import json
import random

from benchmarks import faults, floods, harness
from machine_connect.condition import Alarm, Evaluation, Raised, Rule

SECOND = 1_000_000
#: Values of a machine go from about 20 to 80, and now and then beyond 90.
LIMIT = 90.0


def main(argv=None):
    """Run the benchmark and return its exit code."""
    options = harness.arguments(
        argv, "maintenance", machines=200, readings=60_000, faults=20, repeats=5, plant=50,
        alarms=10_000, flood_seconds=60.0, floods=2, rate=10.0,
    )  # fmt: skip
    report = harness.Report("maintenance", options.json)
    readings_a_second(report, options)
    bare, ours = faults.measure(options)
    report.rows(
        {"Maintenance, a create a request": bare, "ours, with repeats": ours}, per=options.faults, unit="request"
    )
    report.figure("request_ratio_to_bare", harness.paired(ours.cpu, bare.cpu), goal="<= 1.2")
    quiet, flooded = floods.measure(options)
    report.figure("flood_p95_ratio", flooded / quiet, goal="<= 1.2")
    return report.close()


def readings_a_second(report, options):
    """Measure how many readings a second conditions can look at."""
    feed = _feed(options.machines, options.readings)
    found = {}

    def look():
        found["ours"] = _look(options.machines, feed)

    samples = harness.interleave({"conditions": look}, rounds=options.rounds)
    assert found["ours"] == _plainly_too_hot(feed), "what was found is not what a plain look at the readings finds"
    assert found["ours"], "nothing was found, so nothing was shown"
    report.rows(samples, per=len(feed), unit="reading")
    took = sorted(samples["conditions"].seconds)[len(samples["conditions"].seconds) // 2]
    report.figure("condition_readings_per_second", len(feed) / took, goal=">= 5,000")


def _rules():
    """Return the five rules of each machine, each of another kind."""
    return [
        Rule("threshold", above=LIMIT, hysteresis=5.0, only_while=("running", "stopped", "held", "idle")),
        Rule("rate_of_change", above=60.0, window=600.0, per=60.0, on_delay=30.0, validity=300.0),
        Rule("times_in_window", counted="value", above=LIMIT - 5, window=600.0, times=3, off_delay=60.0),
        Rule("state_longer", states=("stopped", "held"), duration=1800.0),
        Rule("alarm", code="27*", severity=300, off_delay=60.0),
    ]


def _feed(machines, count):
    """Return ``[(machine, moment, news)]``: each second a value of many machines, now and then a state or an alarm."""
    rng = random.Random(20260302)
    values = [50.0] * machines
    feed = []
    for number in range(count):
        machine = number % machines
        moment = number // machines * SECOND + machine
        chance = rng.random()
        if chance < 0.02 or number < machines:
            feed.append((machine, moment, {"state": rng.choice(("running", "stopped", "held", "idle"))}))
        elif chance < 0.03:
            feed.append((machine, moment, {"alarm": Alarm(str(rng.randrange(260, 290)), rng.random() < 0.5, 500)}))
        else:
            values[machine] = min(max(values[machine] + rng.uniform(-6, 6), 0.0), 110.0)
            feed.append((machine, moment, {"value": values[machine]}))
    return feed


def _look(machines, feed):
    """Return the machines and moments at which the limit was passed, by way of all conditions."""
    rules = _rules()
    memories = [[None] * len(rules) for _machine in range(machines)]
    found, kinds = [], [rule.looks_at for rule in rules]
    for machine, moment, news in feed:
        (kind,) = news
        for place, rule in enumerate(rules):
            if kind not in kinds[place]:
                continue
            evaluation = Evaluation(rule, memories[machine][place])
            items = evaluation.feed(moment, **news)
            memories[machine][place] = evaluation.memory
            if place == 0:
                found += [(machine, item.at) for item in items if isinstance(item, Raised)]
            if evaluation.changed:
                json.dumps(evaluation.memory)  # only then it is written
    return found


def _plainly_too_hot(feed):
    found, hot, known = [], set(), set()
    for machine, moment, news in feed:
        if "state" in news:
            known.add(machine)
        value = news.get("value")
        if value is None or machine not in known:
            continue
        if machine not in hot and value > LIMIT:
            hot.add(machine)
            found.append((machine, moment))
        elif machine in hot and value <= LIMIT - 5.0:
            hot.discard(machine)
    return found
