"""What a plant looks like whose machines call for maintenance and quality: alarms, conditions, plans, checks, a hold, a recall."""

#: After the books of the stage, whose lots and machines it uses.
CARE_CODE = """
from datetime import datetime, timedelta, timezone
from odoo import fields
from odoo.addons.mrp_machine_connect.machine_connect.event import Event

now = datetime.now(timezone.utc).replace(microsecond=0)
poster, log, source = env["mrp.machine.poster"], env["mrp.machine.event"], env.ref("mrp_machine_connect.source_poller")
machines = env["mrp.machine"]
former = machines.search([("name", "=", "Hinge Former")])
washer = machines.search([("name", "=", "Washer Press")])
team = env["maintenance.team"].search([], limit=1)
for machine in former | washer:
    if not machine.equipment_id:
        machine.equipment_id = env["maintenance.equipment"].create(
            {"name": machine.name, "maintenance_team_id": team.id, "company_id": machine.company_id.id})


def tell(machine, *events):
    log._receive(source, [(machine, machine._stream("care"), {}, machine.mapping_version, list(events))])
    while poster._post_machine(machine):
        pass


def alarm(what, minutes_ago, code, text, **data):
    at = now - timedelta(minutes=minutes_ago)
    return Event(type=f"alarm.{what}", occurred=at, recorded=at, data={"code": code, "text": text, **data})


# Alarms: standing, over and not known, chattering, a warning
tell(former,
     alarm("raised", 250, "270", "TOOL LIFE OVER", severity=700), alarm("cleared", 240, "270", "TOOL LIFE OVER"),
     alarm("raised", 95, "284", "LUBRICANT LOW", severity=500),
     alarm("raised", 60, "W12", "DOOR OPEN", level="warning"), alarm("cleared", 59, "W12", "DOOR OPEN"))
tell(washer, *[event for n in range(6) for event in (
     alarm("raised", 30 - n / 6, "P7", "PRESSURE SWITCH", severity=600), alarm("cleared", 30 - n / 6 - 0.1, "P7", "PRESSURE SWITCH"))])
env["mrp.machine.alarm"].search([("code", "=", "284")]).action_acknowledge()

# Conditions, a meter, a plan
conditions = env["mrp.machine.condition"].create([
    {"name": "Stands for long", "kind": "state_longer", "watched_state": "stopped", "duration": 30, "machine_ids": [(6, 0, former.ids)]},
    {"name": "Too hot", "kind": "threshold", "signal_name": "Oil temperature", "has_above": True, "above": 80, "hysteresis": 5,
     "machine_ids": [(6, 0, washer.ids)]},
])
meter = env["mrp.machine.meter"].create({"name": "Running hours", "machine_id": former.id})
env["maintenance.machine.plan"].create(
    {"name": "Grease the guides", "equipment_id": former.equipment_id.id, "meter_id": meter.id, "every": 12,
     "last_served": fields.Datetime.now() - timedelta(days=3)})
env["maintenance.machine.template"].create(
    {"name": "Lubrication", "alarm_code": "284", "priority_by": "fixed", "priority": "2", "title": "{machine}: lubricant",
     "text": "Fill up with CLP 68.", "block_workcenter": False})

# Checks, rules, a hold, a recall
quality = env["quality.machine.team"].search([], limit=1) or env["quality.machine.team"].create({"name": "Inspection"})
rule = env["quality.machine.rule"].create(
    {"name": "Thickness of the leaf", "machine_id": former.id, "trigger": "pieces", "every_pieces": 50, "kind": "measure",
     "has_lower": True, "lower": 1.95, "has_upper": True, "upper": 2.05, "target": 2.0, "unit": "mm",
     "instruction": "Micrometer, three places.", "team_id": quality.id, "due_minutes": 30})
lot = env["stock.lot"].search([("product_id.name", "=", "Hinge H2")], limit=1)
checks = env["quality.machine.check"].create([
    {"title": rule.name, "rule_id": rule.id, "kind": "measure", "has_lower": True, "lower": 1.95, "has_upper": True, "upper": 2.05,
     "target": 2.0, "unit": "mm", "machine_id": former.id, "lot_id": lot.id, "product_id": lot.product_id.id, "gate": "failed",
     "responsible_id": env.ref("base.user_admin").id, "due": fields.Datetime.now() + timedelta(minutes=20)},
    {"title": "Look at the first piece", "kind": "pass_fail", "machine_id": washer.id, "gate": "none",
     "responsible_id": env.ref("base.user_admin").id, "due": fields.Datetime.now() - timedelta(minutes=5)},
])
if lot:
    env["quality.machine.hold"]._place("Scratches on the leaf", lot=lot)
    recall = env["quality.machine.recall"].create({"lot_id": lot.id})
    recall.action_trace()
env.cr.commit()
"""
