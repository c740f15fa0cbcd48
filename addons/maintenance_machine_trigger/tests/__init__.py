from . import (
    test_maintenance_demo,
    test_maintenance_equipment,
    test_maintenance_machine_condition,
    test_maintenance_machine_plan,
    test_maintenance_request,
    test_maintenance_request_care,
    test_maintenance_rights,
    test_maintenance_security,
)
