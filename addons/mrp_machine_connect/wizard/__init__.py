from . import (
    change_production_qty,
    mrp_machine_adjust,
    mrp_machine_browse,
    mrp_machine_connect_wizard,
    mrp_machine_ignore,
    mrp_machine_load_order,
    mrp_machine_pause,
    mrp_machine_read_now,
    mrp_machine_signal_import,
    mrp_machine_source_new_key,
    mrp_machine_template_import,
    mrp_machine_try,
)
