"""What happens once, when the addon comes and when it goes."""


def post_init_hook(env):
    """Take what Odoo alone has put into stock and entries by now as gone: from here on labour is counted once."""
    steps = env["mrp.workorder"].search(
        [("production_id.state", "not in", ("done", "cancel")), ("production_id.move_finished_ids.state", "=", "done")]
    )
    steps._labour_goes("labour_taken", steps._labour_since("labour_taken"))
    booked = env["mrp.workcenter.productivity"].search([("account_move_line_id", "!=", False)]).workorder_id
    booked._labour_goes("labour_booked", booked._labour_since("labour_booked"))


def uninstall_hook(env):
    """Put back to work what waited for a period to be opened: nobody asks for it any more."""
    env["mrp.machine.event.posting"]._requeue_locked()
