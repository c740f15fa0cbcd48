{
    "name": "Maintenance Machine Trigger",
    "summary": "Faults that machines report become maintenance requests, one per fault until it is closed",
    "version": "19.0.1.0.0",
    "category": "Supply Chain/Maintenance",
    "author": "Machine Connect",
    "license": "LGPL-3",
    "depends": ["mrp_machine_connect", "maintenance"],
    "data": [
        "security/ir.model.access.csv",
        "security/machine_maintenance_security.xml",
        "views/mrp_machine_views.xml",
        "views/mrp_machine_event_posting_views.xml",
        "views/maintenance_request_views.xml",
        "views/maintenance_equipment_views.xml",
    ],
    "demo": ["demo/maintenance_equipment_demo.xml"],
    "uninstall_hook": "uninstall_hook",
}
