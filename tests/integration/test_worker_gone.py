"""Of two workers one is killed: a person learns of it although everything is polled, until a new one takes its place.

The minutes pass in the database, for the killed one only: the other goes on speaking by itself.
"""

from tests.integration.plant import Devices, press_plan, rows, set_up, wait

#: Odoo's first person, always.
ADMIN = 2


def test_a_worker_killed_beside_another_is_told_until_a_new_one_takes_its_place(
    durable_database, odoo_server, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.5}])
    plan = press_plan("press", devices.ports["press"], cycle=0.5, order=1000, machine={"responsible_id": ADMIN})
    machine = set_up(odoo_shell, [plan])["press"]["machine"]
    watch = odoo_server.call("ir.model.data", "check_object_reference", "mrp_machine_connect", "ir_cron_watch")[1]

    def look():
        odoo_server.call("ir.cron", "method_direct_trigger", [watch])
        return rows(
            sql,
            f"""SELECT activity.summary FROM mail_activity activity
                 WHERE activity.res_model = 'mrp.machine' AND activity.res_id = {machine} AND activity.active""",
        )

    first, second = machine_worker(), machine_worker()
    names = {}
    for worker in (first, second):
        wait(lambda worker=worker: _name(sql, worker), "it is heard")
        names[worker] = _name(sql, worker)
    assert look() == []

    first.kill()
    # Both had run for an hour: whoever starts after one fell silent is its successor, and nobody did.
    sql("UPDATE mrp_machine_worker SET started = started - interval '1 hour'")
    sql(f"UPDATE mrp_machine_worker SET last_seen = last_seen - interval '3 minutes' WHERE name = '{names[first]}'")
    told = [{"summary": f"Worker {names[first]} is gone; its machines are polled by {names[second]}"}]
    assert look() == told
    assert look() == told, "told once"
    assert _mails(sql, machine) == "1"

    third = machine_worker()
    wait(lambda: _name(sql, third), "the new one is heard")
    assert look() == []
    assert sql(
        f"""SELECT heir.name FROM mrp_machine_worker gone
                  JOIN mrp_machine_worker heir ON heir.id = gone.replaced_by_id
                 WHERE gone.name = '{names[first]}' AND gone.stopped IS NULL"""
    ) == _name(sql, third)
    assert _mails(sql, machine) == "1", "no mail that all is well"


def _name(sql, worker):
    return sql(f"SELECT name FROM mrp_machine_worker WHERE kind = 'worker' AND name LIKE '%:{worker.pid}@%'")


def _mails(sql, machine):
    return sql(
        f"""SELECT count(*) FROM mail_mail mail JOIN mail_message message ON message.id = mail.mail_message_id
             WHERE message.model = 'mrp.machine' AND message.res_id = {machine}"""
    )
