"""Pictures of what belongs to the books; taken with the others by ``./dev screenshots``."""

from .screenshots import first, machine, menu, shot

FORMER, WASHER, PACKING = "Hinge Former", "Washer Press", "Packing Head"
ORDER = [["product_id.name", "=", "Hinge H2"]]


@shot
def books_machine(screen):
    machine(screen, FORMER)


@shot
def books_machine_posting(screen):
    machine(screen, FORMER)
    screen.tab("posting")


@shot
def books_order(screen):
    [number] = screen.ids("mrp.production", ORDER, limit=1)
    screen.record("action-mrp.mrp_production_action", number)


@shot
def books_lots(screen):
    menu(screen, "Lots")


@shot
def books_energy(screen):
    menu(screen, "Energy")


@shot
def books_rejects(screen):
    menu(screen, "Rejects by Reason")


@shot
def books_scrap(screen):
    menu(screen, "Scrap Analysis")


@shot
def books_material(screen):
    menu(screen, "Material")


@shot
def books_variances(screen):
    menu(screen, "Variances of Consumption")


@shot
def books_statements(screen):
    menu(screen, "Statements")


@shot
def books_statement(screen):
    menu(screen, "Statements")
    screen.page.locator(".o_data_row, .o_kanban_record:not(.o_kanban_ghost)").first.click()


@shot
def books_differences(screen):
    menu(screen, "Differences")


@shot
def books_shadow(screen):
    menu(screen, "Shadow")


@shot
def books_shadow_machine(screen):
    machine(screen, WASHER)


@shot
def books_proposals(screen):
    menu(screen, "Proposals")


@shot
def books_proposal(screen):
    first(screen, "machine-proposals", "mrp.machine.proposal", [["state", "=", "proposed"]])


@shot
def books_change_mode(screen):
    machine(screen, WASHER)
    screen.tab("posting").press("action_change_mode")


@shot
def books_desk(screen):
    menu(screen, "Exceptions")


@shot
def books_settled(screen):
    menu(screen, "Exceptions Settled")


@shot
def books_sync(screen):
    menu(screen, "Booking of Events")


@shot
def _empty_statements(screen):
    menu(screen, "Statements")


@shot
def _empty_proposals(screen):
    menu(screen, "Proposals")


@shot
def _empty_shadow(screen):
    menu(screen, "Shadow")


@shot
def _empty_lots(screen):
    menu(screen, "Lots")


@shot
def _empty_material(screen):
    menu(screen, "Material")


@shot
def _empty_variances(screen):
    menu(screen, "Variances of Consumption")


@shot
def _empty_energy(screen):
    menu(screen, "Energy")
