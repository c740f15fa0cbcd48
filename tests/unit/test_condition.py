"""Do the rules over readings, states and alarms find what a slow and plain look at the whole past finds?"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machine_connect.condition import Alarm, Cleared, Evaluation, Raised, Rule, RuleInvalid

SECOND = 1_000_000


class Plain:
    """The same rules, looked at second by second with all that was ever said. All moments are whole seconds."""

    def __init__(self, rule, history, end):
        """:param history: ``[(second, {"value" | "state" | "alarm" | "usage": …})]``, one for a second at most"""
        self.rule, self.end = rule, end
        self.history = history

    def run(self):
        """Return ``[("raised" | "cleared", second, second of failure)]``."""
        said, active, failed = [], False, None
        run_of, length = None, 0
        delay = self.rule.duration if self.rule.kind == "state_longer" else self.rule.on_delay
        for second in range(self.end + 1):
            # What was so up to this very second may have lasted long enough.
            if not active and run_of == "met" and length == delay and delay:
                active, failed = True, second - length
                said.append(("raised", second, failed))
                run_of, length = None, 0
            elif active and run_of == "over" and length == self.rule.off_delay and self.rule.off_delay:
                active = False
                said.append(("cleared", second, failed))
                run_of, length = None, 0
            found = self.found(second)
            if not active and found == "met" and not delay:
                active, failed = True, second
                said.append(("raised", second, second))
            elif active and found == "over" and not self.rule.off_delay:
                active = False
                said.append(("cleared", second, failed))
            wanted = "over" if active else "met"
            if found == wanted:
                length = length + 1 if run_of == wanted else 1
                run_of = wanted
            else:
                run_of, length = None, 0
        return said

    # What was said up to a second

    def until(self, second, kind):
        return [(at, news[kind]) for at, news in self.history if at <= second and kind in news]

    def state(self, second):
        states = self.until(second, "state")
        return states[-1][1] if states else None

    def is_open(self, second):
        return not self.rule.only_while or self.state(second) in self.rule.only_while

    def found(self, second):
        if not self.is_open(second):
            return "no data"
        return getattr(self, self.rule.kind)(second)

    def within(self, quantity):
        rule = self.rule
        if quantity is None:
            return "no data"
        high, low = rule.above is not None, rule.below is not None
        if (high and quantity > rule.above) or (low and quantity < rule.below):
            return "met"
        back = (not high or quantity + rule.hysteresis <= rule.above) and (
            not low or quantity - rule.hysteresis >= rule.below
        )
        return "over" if back else "between"

    def threshold(self, second):
        values = self.until(second, "value")
        if not values:
            return "no data"
        at, value = values[-1]
        if self.rule.validity is not None and second - at >= self.rule.validity:
            return "no data"
        return self.within(value)

    def rate_of_change(self, second):
        values = self.until(second, "value")
        if not values:
            return "no data"
        at, value = values[-1]
        if self.rule.validity is not None and second - at >= self.rule.validity:
            return "no data"
        if value is None:
            return "no data"
        slots, slot = {}, at * 10 // self.rule.window
        for moment, before in values[:-1]:
            if before is None:
                slots = {}
            else:
                slots.setdefault(moment * 10 // self.rule.window, (moment, before))
        kept = [slots[number] for number in sorted(slots) if number >= slot - 10]
        if not kept or (at - kept[0][0]) * 2 < self.rule.window:
            return "no data"
        return self.within((value - kept[0][1]) * self.rule.per / (at - kept[0][0]))

    def times_in_window(self, second):
        times = [at for at in self.occurrences(second) if second - at < self.rule.window]
        return "met" if len(times) >= self.rule.times else "over"

    def occurrences(self, second):
        found, is_out, active = [], False, set()
        previous = None
        for at, news in self.history:
            if at > second:
                break
            is_open = self.is_open(at)
            if self.rule.counted == "value" and news.get("value") is not None and is_open:
                where = self.within(news["value"])
                if not is_out and where == "met":
                    is_out = True
                    found.append(at)
                elif where == "over":
                    is_out = False
            if "state" in news:
                if self.rule.counted == "state" and previous is not None and is_open:
                    if news["state"] in self.rule.states and previous not in self.rule.states:
                        found.append(at)
                previous = news["state"]
            if "alarm" in news and self.rule.counted == "alarm":
                alarm = news["alarm"]
                if alarm.raised and alarm.code not in active and is_open:
                    found.append(at)
                (active.add if alarm.raised else active.discard)(alarm.code)
        return found

    def state_longer(self, second):
        state = self.state(second)
        if state in (None, "unknown"):
            return "no data"
        return "met" if state in self.rule.states else "over"

    def alarm(self, second):
        active = set()
        for _at, alarm in self.until(second, "alarm"):
            (active.add if alarm.raised else active.discard)(alarm.code)
        return "met" if active else "over"

    def usage(self, second):
        shown = self.until(second, "usage")
        if not shown or shown[-1][1] is None:
            return "no data"
        return "met" if shown[-1][1] >= self.rule.every else "over"


def said(found):
    """Return what an evaluation found in the words of :class:`Plain`."""
    for item in found:
        json.dumps(item.evidence, allow_nan=False)
    return [
        ("raised" if isinstance(item, Raised) else "cleared", item.at / SECOND, item.since / SECOND) for item in found
    ]


def evaluated(rule, history, end, *, restarts=()):
    evaluation, found = Evaluation(rule), []
    for number, (second, news) in enumerate(history):
        found += evaluation.feed(second * SECOND, **news)
        if number in restarts:
            evaluation = Evaluation(Rule.from_json(json.loads(json.dumps(rule.as_json()))),
                                    json.loads(json.dumps(evaluation.memory, allow_nan=False)))  # fmt: skip
    return found + evaluation.feed(end * SECOND)


STATES = ("running", "stopped", "held", "idle", "unknown")
delays = st.sampled_from([0, 0, 1, 3, 8])
values = st.one_of(st.integers(-5, 12), st.integers(-5, 12), st.integers(-5, 12), st.none())
limits = st.one_of(
    st.builds(lambda above: {"above": above}, st.integers(2, 10)),
    st.builds(lambda below: {"below": below}, st.integers(-3, 3)),
    st.builds(lambda above, below: {"above": above, "below": below}, st.integers(6, 10), st.integers(-4, 1)),
)
common = st.fixed_dictionaries(
    {
        "on_delay": delays,
        "off_delay": delays,
        "only_while": st.sampled_from([(), (), ("running",), ("running", "held")]),
    }
)
bounded = st.fixed_dictionaries({"hysteresis": st.integers(0, 2), "validity": st.sampled_from([None, 2, 6])})


def rules():
    def rule(kind, *parts):
        return st.builds(
            lambda *chosen: Rule(kind, **{key: item for part in chosen for key, item in part.items()}), *parts
        )

    fixed = st.fixed_dictionaries
    window = fixed({"window": st.sampled_from([5, 10, 20]), "times": st.integers(1, 4)})
    return st.one_of(
        rule("threshold", common, limits, bounded),
        rule("rate_of_change", common, limits, bounded, fixed({"window": st.sampled_from([4, 10]), "per": st.just(4)})),
        rule("times_in_window", common, window, limits, fixed({"hysteresis": st.integers(0, 2)})),
        rule(
            "times_in_window",
            common,
            window,
            fixed({"counted": st.just("state"), "states": st.just(("stopped", "held"))}),
        ),
        rule("times_in_window", common, window, fixed({"counted": st.just("alarm")})),
        rule(
            "state_longer",
            common,
            fixed({"states": st.just(("stopped", "idle")), "duration": st.sampled_from([1, 4, 9])}),
        ),
        rule("alarm", common),
        rule("usage", common, fixed({"every": st.integers(3, 20)})),
    )


news = st.one_of(
    st.builds(lambda value: {"value": value}, values),
    st.builds(lambda value: {"value": value}, values),
    st.builds(lambda state: {"state": state}, st.sampled_from(STATES)),
    st.builds(lambda code, raised: {"alarm": Alarm(code, raised)}, st.sampled_from("AB"), st.booleans()),
    st.builds(lambda usage: {"usage": usage}, st.one_of(st.none(), st.integers(0, 30))),
)
kinds_of_news = {
    "value": st.builds(lambda value: {"value": value}, values),
    "state": st.builds(lambda state: {"state": state}, st.sampled_from(STATES)),
    "alarm": st.builds(lambda code, raised: {"alarm": Alarm(code, raised)}, st.sampled_from("AB"), st.booleans()),
    "usage": st.builds(lambda usage: {"usage": usage}, st.one_of(st.none(), st.integers(0, 30))),
}


def fitting(rule):
    """Return a history of mostly what a rule looks at, long enough that something happens."""
    own = [kinds_of_news[kind] for kind in sorted(rule.looks_at)]
    return st.lists(st.tuples(st.integers(1, 4), st.one_of(*own, *own, *own, news)), min_size=8, max_size=30)


cases = rules().flatmap(lambda rule: st.tuples(st.just(rule), fitting(rule)))


def timed(steps):
    history, second = [], 0
    for step, said_then in steps:
        second += step
        history.append((second, said_then))
    return history, second + 40


@settings(max_examples=800, deadline=None)
@given(cases)
def test_it_finds_what_a_look_at_the_whole_past_finds(case):
    rule, steps = case
    history, end = timed(steps)
    assert said(evaluated(rule, history, end)) == Plain(rule, history, end).run()


@settings(max_examples=200, deadline=None)
@given(cases, st.sets(st.integers(0, 29)))
def test_a_restart_at_any_time_changes_nothing(case, restarts):
    rule, steps = case
    history, end = timed(steps)
    assert evaluated(rule, history, end, restarts=restarts) == evaluated(rule, history, end)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_raised_and_cleared_take_turns_in_order_of_time(case):
    rule, steps = case
    history, end = timed(steps)
    found = evaluated(rule, history, end)
    assert [type(item) for item in found] == [(Raised, Cleared)[number % 2] for number in range(len(found))]
    assert [item.at for item in found] == sorted(item.at for item in found)
    assert all(item.since <= item.at for item in found)


@settings(max_examples=150, deadline=None)
@given(cases)
def test_time_that_passes_in_between_changes_nothing(case):
    """Whoever looks each second finds the same as whoever looks when something is said, and knows when to look."""
    rule, steps = case
    history, end = timed(steps)
    told, evaluation, found = dict(history), Evaluation(rule), []
    for second in range(end + 1):
        due = evaluation.due
        came = evaluation.feed(second * SECOND)
        assert not came or due <= second * SECOND
        found += came
        if second in told:
            found += evaluation.feed(second * SECOND, **told[second])
    assert said(found) == said(evaluated(rule, history, end))


@settings(max_examples=150, deadline=None)
@given(cases, st.lists(st.tuples(st.integers(0, 40), st.integers(1, 60), values), max_size=5))
def test_older_values_of_the_same_signal_change_nothing(case, late):
    rule, steps = case
    history, end = timed(steps)
    evaluation, found, last = Evaluation(rule), [], None
    for number, (second, said_then) in enumerate(history):
        found += evaluation.feed(second * SECOND, **said_then)
        last = second if "value" in said_then else last
        for place, behind, value in late:
            if place == number and last is not None and behind <= second:
                found += evaluation.feed(min(second - behind, last - 1) * SECOND, value=value)
    assert found + evaluation.feed(end * SECOND) == evaluated(rule, history, end)


@settings(max_examples=30, deadline=None)
@given(rules(), st.integers(1, 30), st.data())
def test_what_is_remembered_does_not_grow(rule, step, data):
    evaluation = Evaluation(rule)
    for number in range(3_000):
        if number % 500 == 0:
            chosen = data.draw(news)
        evaluation.feed(number * step * SECOND, **chosen)
        evaluation.feed(number * step * SECOND, alarm=Alarm(str(number), number % 2 == 0))
        evaluation.feed(number * step * SECOND, alarm=Alarm(str(number), False))
    assert len(json.dumps(evaluation.memory)) < 20_000


# By hand: what people rely on


def minutes(number):
    return int(number * 60 * SECOND)


def test_a_value_around_its_limit_is_one_alarm():
    evaluation = Evaluation(Rule("threshold", above=80.0, hysteresis=5.0))
    found = []
    for second, value in enumerate([79, 80, 81, 79, 82, 76, 81, 75, 74]):
        found += evaluation.feed(second * SECOND, value=value)
    assert [(type(item), item.at // SECOND, item.evidence["value"]) for item in found] == [
        (Raised, 2, 81),
        (Cleared, 7, 75),
    ]
    assert found[0].evidence["limit"] == 80.0


def test_unavailable_is_no_data_and_neither_raises_nor_clears():
    rule = Rule("threshold", below=10.0)
    assert Evaluation(rule).feed(0, value=None) == []
    evaluation = Evaluation(rule)
    assert evaluation.feed(0, value="UNAVAILABLE") == []
    assert len(evaluation.feed(SECOND, value=5.0)) == 1
    assert evaluation.feed(minutes(60), value=None) == []
    assert evaluation.is_active

    stop = Evaluation(Rule("state_longer", states=("stopped",), duration=600))
    assert stop.feed(0, state="stopped") == []
    assert stop.feed(minutes(5), state="unknown") == []
    assert stop.feed(minutes(1000)) == []
    # Nobody knows what was meanwhile, so it is waited anew.
    assert stop.feed(minutes(1001), state="stopped") == []
    assert stop.feed(minutes(1011))[0].since == minutes(1001)


def test_the_moment_of_failure_is_when_it_began():
    evaluation = Evaluation(Rule("threshold", above=80.0, on_delay=120))
    assert evaluation.feed(minutes(1), value=90.0) == []
    raised = evaluation.feed(minutes(10), value=91.0)
    assert raised == [Raised(minutes(3), minutes(1), {"value": 90.0, "limit": 80.0})]


def test_a_rule_that_begins_to_look_at_a_machine_which_stands_already():
    evaluation = Evaluation(Rule("state_longer", states=("stopped",), duration=600))
    assert evaluation.feed(minutes(1), state="stopped") == []
    assert [item.since for item in evaluation.feed(minutes(11))] == [minutes(1)]


def test_a_limit_that_counts_only_while_the_machine_runs():
    evaluation = Evaluation(Rule("threshold", below=2.0, on_delay=30, only_while=("running",)))
    assert evaluation.feed(0, value=0.0) == []
    assert evaluation.feed(minutes(60)) == []
    assert evaluation.feed(minutes(60), state="running") == []
    assert [item.since for item in evaluation.feed(minutes(61))] == [minutes(60)]
    # That it was switched off does not heal it.
    assert evaluation.feed(minutes(62), state="off") == []
    assert evaluation.feed(minutes(63), value=3.0) == []
    assert [type(item) for item in evaluation.feed(minutes(64), state="running")] == [Cleared]


def test_conditions_do_not_look_at_each_other():
    evaluation = Evaluation(Rule("alarm", code="*"))
    assert evaluation.feed(0, alarm=Alarm("condition:7", True, 900)) == []
    assert len(evaluation.feed(0, alarm=Alarm("270", True))) == 1


@pytest.mark.parametrize(
    ("pattern", "severity", "code", "said_severity", "expected"),
    [
        ("270", 1, "270", None, True),
        ("27?", 1, "270", 25, True),
        ("servo*", 1, "SERVO overload", 500, True),
        ("", 600, "9", 599, False),
        ("", 600, "9", 600, True),
        ("", 600, "9", None, True),
        ("28*", 1, "270", None, False),
    ],
)
def test_alarms_by_code_pattern_and_severity(pattern, severity, code, said_severity, expected):
    evaluation = Evaluation(Rule("alarm", code=pattern, severity=severity))
    assert bool(evaluation.feed(0, alarm=Alarm(code, True, said_severity))) is expected


def test_a_stop_for_a_reason():
    evaluation = Evaluation(Rule("stop_reason", reason="*jam*"))
    assert evaluation.feed(0, state="running", reason="jam cleared") == []
    raised = evaluation.feed(SECOND, state="stopped", reason="Infeed JAM")
    assert [(item.at, item.evidence) for item in raised] == [(SECOND, {"value": "Infeed JAM", "state": "stopped"})]
    assert [type(item) for item in evaluation.feed(2 * SECOND, state="running")] == [Cleared]


def test_service_after_so_many_hours_and_anew_from_then_on():
    evaluation = Evaluation(Rule("usage", every=500.0))
    assert evaluation.feed(0, usage=499.9) == []
    assert evaluation.feed(1, usage=500.5)[0].evidence == {"value": 500.5, "limit": 500.0, "usage": 500.5}
    assert [type(item) for item in evaluation.restart(2, 510.0)] == [Cleared]
    assert evaluation.feed(3, usage=1009.0) == []
    assert len(evaluation.feed(4, usage=1010.0)) == 1


@pytest.mark.parametrize(
    ("field", "values_given"),
    [
        ("kind", {"kind": "guess"}),
        ("above", {"kind": "threshold"}),
        ("above", {"kind": "threshold", "above": float("nan")}),
        ("above", {"kind": "threshold", "above": True}),
        ("hysteresis", {"kind": "threshold", "above": 10, "below": 9, "hysteresis": 1}),
        ("on_delay", {"kind": "threshold", "above": 10, "on_delay": -1}),
        ("window", {"kind": "rate_of_change", "above": 10}),
        ("times", {"kind": "times_in_window", "above": 10, "window": 60}),
        ("times", {"kind": "times_in_window", "above": 10, "window": 60, "times": 101}),
        ("states", {"kind": "state_longer", "duration": 60}),
        ("states", {"kind": "state_longer", "duration": 60, "states": ("unknown",)}),
        ("states", {"kind": "state_longer", "duration": 60, "states": ("asleep",)}),
        ("duration", {"kind": "state_longer", "states": ("stopped",)}),
        ("reason", {"kind": "stop_reason"}),
        ("every", {"kind": "usage"}),
        ("only_while", {"kind": "alarm", "only_while": ("asleep",)}),
        ("colour", {"kind": "alarm", "colour": "red"}),
    ],
)
def test_a_rule_that_cannot_be_used_says_where(field, values_given):
    with pytest.raises(RuleInvalid) as invalid:
        Rule.from_json(values_given)
    assert invalid.value.field == field
