from . import (
    door,
    door_dispatcher,
    machine_config,
    machine_events,
    machine_health,
    machine_heartbeat,
    machine_metrics,
    machine_openapi,
    machine_order_log,
    machine_trace,
)
