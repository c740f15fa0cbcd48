from . import (
    mrp_machine_handler,
    mrp_machine_handler_order_finish,
    mrp_machine_handler_order_loading,
    mrp_machine_handler_order_start,
    mrp_machine_handler_production_count,
    mrp_machine_handler_production_count_late,
    mrp_machine_handler_production_count_limits,
    mrp_machine_handler_setup,
    mrp_machine_handler_state_interval,
    mrp_machine_handler_stock_beat,
    mrp_machine_handler_work_time,
)
