"""Which requests do recorded days and a machine that broke down make? One a fault, none where there are no data.

Mazak01 and Mazak03 of NIST's SMS Test Bed, with what their conditions reported; and the temperature of a machine whose
failures are known, by a rule that is chosen on the days before 2014 and judged on those after.
"""

import gzip

from tests.integration import recorded
from tests.integration.plant import set_up

#: Requests of each day by code, and how often each fault was reported; no request was closed in between.
FAULTS = {
    "mazak01": {"270": 5, "284": 3, "149": 1},
    "mazak03": {"1102": 1},
}
#: Requests where warnings make some as well.
WITH_WARNINGS = {"mazak01": 14, "mazak03": 7}
NAMES = {"mazak01": "Mazak01-20190625-20190626.txt.gz", "mazak03": "Mazak03-20180503-20180504.txt.gz"}

QUESTION = """
from odoo.addons.mrp_machine_connect.machine_connect.event import Event
from simulator.shdr import Condition

equipment = env["maintenance.equipment"].create({"name": machine.name, "company_id": machine.company_id.id})
machine.write({"equipment_id": equipment.id, "maintenance_warnings": WARNINGS})


def reported(path):
    # What the conditions of a recording say, as events: normal takes back what a condition had raised, unavailable nothing.
    active, events = {}, []
    for entry in read_recording(path):
        if not isinstance(entry, Condition) or entry.level == "UNAVAILABLE":
            continue
        data = {"code": entry.code, "text": entry.text, "signal": entry.key, "level": entry.level.lower()}
        if entry.level == "NORMAL":
            ended = [key for key in active if key[0] == entry.key and entry.code in ("", key[1])]
            events += [Event("alarm.cleared", entry.at, entry.at, active.pop(key)) for key in ended]
        else:
            active[entry.key, entry.code] = data
            events.append(Event("alarm.raised", entry.at, entry.at, data))
    return events


receive(machine, understood(machine, PATH, KEYS))
receive(machine, reported(PATH))
post()
requests = env["maintenance.request"].search([("machine_id", "=", machine.id)])
rows = env["mrp.machine.event.posting"].search([("machine_id", "=", machine.id), ("handler", "=", "maintenance_request")])
result = {
    "requests": {request.machine_fault_key: request.machine_occurrences for request in requests},
    "open": len(requests.filtered("machine_fault_open")),
    "states": sorted({row.state for row in rows}),
    "raised": len(rows.event_id.filtered(lambda event: event.type == "alarm.raised")),
    "unknown": round(sum(machine.interval_ids.filtered(lambda interval: interval.state == "unknown").mapped("duration")), 3),
    "faulty": len(machine.interval_ids.filtered(lambda interval: interval.state == "fault")),
    "first": {request.machine_fault_key: str(request.machine_first_occurred) for request in requests},
}
"""


def reports(day):
    """Return ``{(key, code): [level, …]}`` and the first moment of each code, read plainly from the file."""
    found, first = {}, {}
    with gzip.open(recorded.DAYS[day], "rt", errors="replace") as lines:
        for line in lines:
            fields = line.rstrip("\n").split("|")
            if len(fields) > 3 and fields[2].upper() in ("FAULT", "WARNING"):
                found.setdefault((fields[1], fields[3]), []).append(fields[2].upper())
                first.setdefault(fields[3], fields[0])
    return found, first


def test_a_recorded_day_makes_one_request_a_fault(durable_database, odoo_shell):
    days = [(day, warnings) for day in FAULTS for warnings in (False, True)]
    machines = set_up(odoo_shell, [recorded.plan(f"{day}-{int(warnings)}", day) for day, warnings in days])

    for day, warnings in days:
        found = odoo_shell(
            recorded.ask(
                machines[f"{day}-{int(warnings)}"],
                QUESTION,
                PATH=str(recorded.DAYS[day]),
                KEYS=recorded.KEYS[day],
                WARNINGS=warnings,
            )
        )
        told, first = reports(day)
        truth = recorded.TRUTH[NAMES[day]]
        assert found["raised"] == sum(truth["condition_fault_or_warning_reports"].values())
        assert found["open"] == len(found["requests"]), "nothing is closed by a machine"
        assert set(found["states"]) <= {"posted", "ignored"}
        if warnings:
            assert len(found["requests"]) == WITH_WARNINGS[day] == len(told)
            assert found["requests"] == {code: len(levels) for (_key, code), levels in told.items()}
        else:
            assert found["requests"] == FAULTS[day]
        for code, moment in found["first"].items():
            assert moment[:19] == first[code][:19].replace("T", " ")
        # No data is no breakdown: the whole time is unknown, and none of it faulty.
        assert abs(found["unknown"] - truth["seconds_in_state_until_last_change"]["UNAVAILABLE"]) < 0.01
        assert found["faulty"] == 0
        print(f"{day}, warnings {'on' if warnings else 'off'}: {found['requests']}, {found['unknown']} s without data")


TEMPERATURE = """
import base64, gzip

machine = env["mrp.machine"].create({"name": "Large machine", "code": "large", "clock_zone": "UTC"})
condition = env["mrp.machine.condition"].create(
    {
        "name": "Temperature",
        "machine_id": machine.id,
        "kind": "threshold",
        "signal_name": "Temperature",
        "has_below": True,
        "below": 0,
        "armed": False,
    }
)
wizard = env["maintenance.machine.backtest"].create(
    {
        "condition_id": condition.id,
        "source": "file",
        "file": base64.b64encode(gzip.open(PATH).read()),
        "breakdowns": "text",
        "windows": WINDOWS,
        "horizon_hours": 0,
        "judged_from": "2014-01-01 00:00:00",
    }
)
wizard.action_choose()
lines = [(line.kind, str(line.at), line.is_right, line.lead_hours, line.repeats) for line in wizard.line_ids]
chosen = wizard.better
wizard.action_apply()
wizard.write({"date_from": "2014-01-01 00:00:00"})
wizard.action_run()
result = {
    "chosen": chosen,
    "words": wizard.better_words,
    "lines": lines,
    "again": [(line.kind, str(line.at), line.is_right, line.lead_hours, line.repeats) for line in wizard.line_ids],
    "requests": env["maintenance.request"].search_count([("machine_id", "=", machine.id)]),
}
"""


def test_a_rule_that_was_chosen_before_finds_what_broke_after(durable_database, odoo_shell):
    truth = recorded.TRUTH["machine_temperature_system_failure.csv.gz"]
    windows = "\n".join(", ".join(window) for window in truth["labelled_windows"])
    path = str(recorded.RECORDINGS / "machine_temperature_system_failure.csv.gz")

    found = odoo_shell(f"PATH = {path!r}\nWINDOWS = {windows!r}\n{TEMPERATURE}")

    later = [window for window in truth["labelled_windows"] if window[0] >= "2014"]
    assert len(later) == 2
    requests = [line for line in found["lines"] if line[0] == "request"]
    breakdowns = [line for line in found["lines"] if line[0] == "breakdown"]
    # Whether a request was right, by the texts of the labels and not by what the product says of it.
    right = [any(start <= at <= end for start, end in later) for _kind, at, *_rest in requests]
    leads = [line[3] for line in breakdowns if line[2]]
    print(f"chosen: {found['chosen']}: {found['words']}")
    print(f"requests after 2014-01-01: {requests}")
    print(f"breakdowns: {breakdowns}; precision {sum(right)}/{len(right)}, lead time {leads} h")
    assert [line[2] for line in requests] == right
    assert [line[1] for line in breakdowns] == [start for start, _end in later]
    assert sum(line[2] for line in breakdowns) >= 1
    assert sum(right) / len(right) >= 0.5
    assert found["again"] == found["lines"], "the condition with the chosen limits is the rule that was judged"
    assert found["requests"] == 0, "nothing is raised by a try"
