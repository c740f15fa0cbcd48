"""What does the timeline say of an hour in which nobody could hear a machine that runs before and after? That nobody knows.

The hour passes in the database: what was known of the state when the line went dead is moved back.
"""

from tests.integration.plant import (
    Devices,
    all_posted,
    assert_exactly_once,
    counter_chain,
    number,
    press_plan,
    quantity,
    rows,
    set_up,
    wait,
)

HOUR = 3600


def test_an_hour_out_of_contact_is_unknown_once_and_no_piece_of_it_is_lost(
    durable_database, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.5}])
    plan = press_plan("press", devices.ports["press"], cycle=0.5, order=100_000, interval=0.5)
    machine = set_up(odoo_shell, [plan])["press"]
    worker = machine_worker()
    wait(lambda: _timeline(sql, machine), "it runs")
    wait(
        lambda: number(sql, "SELECT count(*) FROM mrp_machine_event WHERE type = 'production.count'") >= 2, "it counts"
    )

    devices.fault("press", "deaf")
    wait(lambda: number(sql, "SELECT max(failures) FROM mrp_machine_connection_status"), "it is lost")
    worker.kill()
    _pass_an_hour(sql, machine)
    assert _states(sql, machine) == ["running"], "nobody was there to notice"

    worker = machine_worker()
    wait(lambda: _states(sql, machine) == ["running", "unknown"], "the next worker notices, while it is still lost")
    worker.kill()
    worker = machine_worker()
    tried = sql("SELECT last_try FROM mrp_machine_connection_status")
    wait(lambda: sql("SELECT last_try FROM mrp_machine_connection_status") != tried, "the one after it tries as well")
    assert _states(sql, machine) == ["running", "unknown"], "said once"

    devices.fault("press", "listen")
    wait(lambda: _states(sql, machine) == ["running", "unknown", "running"], "it is back")
    truth = devices.stand_still("press")["press"]
    wait(lambda: _counted(sql, machine) == truth["good_counter"] and all_posted(sql), "all is counted and posted")
    wait(lambda: len(_timeline(sql, machine)) > 3, "it was seen to stand still, which ends the interval before")

    timeline = _timeline(sql, machine)
    assert [(line["state"], line["reason"] or "") for line in timeline[:3]] == [
        ("running", ""),
        ("unknown", "no_contact"),
        ("running", ""),
    ]
    seconds = [line["us"] / 1_000_000 for line in timeline[:3]]
    assert HOUR < seconds[1] < HOUR + 300
    assert seconds[0] < 300 and seconds[2] < 300
    first, last, pieces = counter_chain(sql, machine["machine"])
    assert quantity(sql, machine) == pieces == last - first == truth["good_counter"] - first
    assert_exactly_once(sql, [machine])


def _timeline(sql, machine):
    return rows(
        sql,
        f"""SELECT state, reason, end_us - start_us AS us FROM mrp_machine_interval
             WHERE machine_id = {machine["machine"]} ORDER BY start_us""",
    )


def _states(sql, machine):
    """Return the states that the machine was said to be in, up to three."""
    found = rows(
        sql,
        f"""SELECT data->>'state' AS state FROM mrp_machine_event
             WHERE machine_id = {machine["machine"]} AND type = 'machine.state_changed' ORDER BY epoch, sequence LIMIT 3""",
    )
    return [row["state"] for row in found]


def _counted(sql, machine):
    return number(
        sql, f"SELECT memory->>'value' FROM mrp_machine_signal_value WHERE signal_id = {machine['signals']['Good']}"
    )


def _pass_an_hour(sql, machine):
    hour = HOUR * 1_000_000
    moved = ", ".join(f"'{key}', (memory->>'{key}')::bigint - {hour}" for key in ("seen", "at", "read"))
    sql(
        f"""UPDATE mrp_machine_signal_value SET memory = memory || jsonb_build_object({moved})
             WHERE signal_id = {machine["signals"]["State"]}"""
    )
    sql(
        f"""UPDATE mrp_machine_event SET occurred_us = occurred_us - {hour}, occurred = occurred - interval '1 hour'
             WHERE type = 'machine.state_changed'"""
    )
    sql(f"UPDATE mrp_machine_interval SET start_us = start_us - {hour}, date_start = date_start - interval '1 hour'")
    sql("UPDATE mrp_machine_loading SET date_start = date_start - interval '1 hour'")
    sql("UPDATE mrp_machine_status SET state_since = state_since - interval '1 hour'")
