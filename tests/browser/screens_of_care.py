"""Pictures of alarms, maintenance and quality; taken with the others by ``./dev screenshots``."""

from .pages import DIALOG
from .screenshots import first, menu, shot


@shot
def care_alarms(screen):
    screen.open("machine-alarms")


@shot
def care_alarm(screen):
    first(screen, "machine-alarms", "mrp.machine.alarm", [["code", "=", "284"]])


@shot
def care_shelve(screen):
    care_alarm(screen)
    screen.press("action_shelve")
    screen.page.wait_for_selector(DIALOG)


@shot
def care_alarm_top(screen):
    screen.open("machine-alarm-top")


@shot
def care_alarm_analysis(screen):
    screen.open("machine-alarm-analysis")


@shot
def care_conditions(screen):
    screen.open("machine-conditions")


@shot
def care_condition(screen):
    first(screen, "machine-conditions", "mrp.machine.condition", [["name", "=", "Too hot"]])


@shot
def care_condition_new(screen):
    screen.open("machine-conditions/new")


@shot
def care_meters(screen):
    screen.open("machine-meters")


@shot
def care_requests(screen):
    screen.open("action-maintenance_machine_trigger.maintenance_request_action_machine")


@shot
def care_request(screen):
    first(
        screen,
        "action-maintenance.hr_equipment_request_action",
        "maintenance.request",
        [["machine_fault_key", "=", "284"]],
    )


@shot
def care_plans(screen):
    screen.open("action-maintenance_machine_trigger.maintenance_machine_plan_action")


@shot
def care_plan(screen):
    first(screen, "action-maintenance_machine_trigger.maintenance_machine_plan_action", "maintenance.machine.plan")


@shot
def care_templates(screen):
    menu(screen, "Templates of Requests")


@shot
def care_checks_mine(screen):
    screen.open("my-machine-quality-checks")


@shot
def care_check(screen):
    first(screen, "machine-quality-checks", "quality.machine.check", [["kind", "=", "measure"]])


@shot
def care_holds(screen):
    screen.open("machine-quality-holds")


@shot
def care_hold(screen):
    first(screen, "machine-quality-holds", "quality.machine.hold")


@shot
def care_rules(screen):
    menu(screen, "Quality Rules")


@shot
def care_rule(screen):
    first(screen, "action-quality_machine_event.quality_machine_rule_action", "quality.machine.rule")


@shot
def care_reviews(screen):
    menu(screen, "Variance Reviews")


@shot
def care_recalls(screen):
    menu(screen, "Recall Drills")


@shot
def care_recall(screen):
    first(screen, "action-quality_machine_event.quality_machine_recall_action", "quality.machine.recall")


@shot
def care_upload(screen):
    menu(screen, "Upload Measurements")


@shot
def _empty_alarms(screen):
    screen.open("machine-alarms")


@shot
def _empty_conditions(screen):
    screen.open("machine-conditions")


@shot
def _empty_checks(screen):
    screen.open("machine-quality-checks")


@shot
def _empty_holds(screen):
    screen.open("machine-quality-holds")
