from . import (
    mrp_machine,
    mrp_production,
    quality_machine_alert,
)
