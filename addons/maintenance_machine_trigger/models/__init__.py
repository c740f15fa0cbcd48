from . import (
    maintenance_equipment,
    maintenance_machine_asset,
    maintenance_machine_escalation,
    maintenance_machine_plan,
    maintenance_machine_template,
    maintenance_request,
    maintenance_request_block,
    maintenance_request_care,
    maintenance_team,
    mrp_machine,
    mrp_machine_event_posting,
    mrp_machine_exception,
)
