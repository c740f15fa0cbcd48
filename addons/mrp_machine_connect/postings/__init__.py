from . import (
    mrp_machine_handler,
    mrp_machine_handler_production_count,
    mrp_machine_handler_state_interval,
    mrp_machine_handler_work_time,
)
