"""Who falls silent is noticed: a worker that was killed, and the machines that nobody polls any more.

The hours pass in the database: what was last heard is moved back, nobody waits for it.
"""

from tests.integration.plant import Devices, press_plan, rows, set_up, wait

#: Odoo's first person, always.
ADMIN = 2


def test_a_killed_worker_is_told_to_a_person_once_and_taken_back(
    durable_database, odoo_server, odoo_shell, machine_worker, start_program, sql
):
    devices = Devices(start_program, [{"name": "press", "cycle": 0.5}])
    plan = press_plan("press", devices.ports["press"], cycle=0.5, order=1000, machine={"responsible_id": ADMIN})
    machine = set_up(odoo_shell, [plan])["press"]
    watch = odoo_server.call("ir.model.data", "check_object_reference", "mrp_machine_connect", "ir_cron_watch")[1]

    def look():
        odoo_server.call("ir.cron", "method_direct_trigger", [watch])
        return _told(sql, machine)

    worker = machine_worker()
    wait(lambda: _health(sql, machine) == "ok", "it is polled")
    assert look() == ([], [])

    worker.kill()
    assert look() == ([], []), "a worker that was heard a moment ago is not missed yet"
    _pass_minutes(sql, 6)
    activities, mails = look()
    assert [activity["summary"] for activity in activities] == ["No machine worker is running", "press is silent"]
    assert {activity["login"] for activity in activities} == {"admin"}
    assert "odoo machine_worker" in activities[0]["note"]
    assert _killed_worker(sql) in activities[0]["note"]
    assert [mail["recipients"] for mail in mails] == [1, 1]
    assert _health(sql, machine) == "silent"
    assert look() == (activities, mails), "told once"
    _pass_minutes(sql, 60)
    assert look() == (activities, mails), "and not again each hour"

    again = machine_worker()
    wait(lambda: _health(sql, machine) == "ok", "it is polled again")
    activities, told = look()
    assert (activities, told) == ([], mails), "all is well: the activities are done, no further mail"
    assert _health(sql, machine) == "ok"
    wait(lambda: look()[0] == [], "it stays well")

    # One that says goodbye is not missed.
    again.stop()
    _pass_minutes(sql, 3)
    activities, _mails = look()
    assert "No machine worker is running" not in [activity["summary"] for activity in activities]


def _health(sql, machine):
    return sql(f"SELECT health FROM mrp_machine_status WHERE machine_id = {machine['machine']}")


def _pass_minutes(sql, minutes):
    back = f"interval '{minutes} minutes'"
    sql(f"UPDATE mrp_machine_connection_status SET last_ok = last_ok - {back}, last_try = last_try - {back}")
    sql(f"UPDATE mrp_machine_worker SET last_seen = last_seen - {back} WHERE stopped IS NULL")
    sql(f"UPDATE mrp_machine_endpoint SET lease_until = lease_until - {back}")


def _told(sql, machine):
    """Return the open activities on a machine, and the mails that were written about it."""
    activities = rows(
        sql,
        f"""SELECT activity.summary, activity.note, users.login FROM mail_activity activity
              JOIN res_users users ON users.id = activity.user_id
             WHERE activity.res_model = 'mrp.machine' AND activity.res_id = {machine["machine"]} AND activity.active
             ORDER BY activity.summary""",
    )
    mails = rows(
        sql,
        f"""SELECT message.subject, count(recipient.res_partner_id) AS recipients FROM mail_mail mail
              JOIN mail_message message ON message.id = mail.mail_message_id
              LEFT JOIN mail_mail_res_partner_rel recipient ON recipient.mail_mail_id = mail.id
             WHERE message.model = 'mrp.machine' AND message.res_id = {machine["machine"]}
             GROUP BY message.id ORDER BY message.id""",
    )
    return activities, mails


def _killed_worker(sql):
    return sql("SELECT name FROM mrp_machine_worker WHERE kind = 'worker' AND stopped IS NULL")
