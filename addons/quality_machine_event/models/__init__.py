from . import (
    mrp_machine,
    mrp_machine_loading,
    mrp_production,
    quality_machine_alert,
)
