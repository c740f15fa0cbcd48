from . import (
    door,
    machine_config,
    machine_events,
    machine_health,
    machine_heartbeat,
    machine_metrics,
    machine_openapi,
    machine_trace,
)
