from . import mrp_machine_handler_quality_alert
