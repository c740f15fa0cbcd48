from . import (
    mrp_machine_handler_quality_alert,
    mrp_machine_handler_quality_defect,
    mrp_machine_handler_quality_due,
    mrp_machine_handler_quality_event,
    mrp_machine_handler_quality_gate,
    mrp_machine_handler_quality_measurement,
)
