"""Where are we? What tells a database from its copies, in few short questions to PostgreSQL."""

import weakref
from typing import NamedTuple

from .models.mrp_machine_door import environment_name

#: Stands for the cluster's identifier where PostgreSQL's administrator keeps it from us.
CLUSTER_UNTOLD = "not told by PostgreSQL"


class Place(NamedTuple):
    """What a copy of a database does not share with it, at least one of these."""

    database_uuid: str
    database_oid: str
    cluster: str
    environment: str


#: What stays the same for as long as a line to PostgreSQL is open: the database's number and the cluster's identifier.
_of_lines = weakref.WeakKeyDictionary()


def _line(cr):
    line = cr.connection
    if line not in _of_lines:
        cr.execute(
            """SELECT (SELECT oid::text FROM pg_database WHERE datname = current_database()),
                      has_function_privilege('pg_control_system()', 'EXECUTE')"""
        )
        oid, is_told = cr.fetchone()
        cluster = CLUSTER_UNTOLD
        if is_told:
            cr.execute("SELECT system_identifier::text FROM pg_control_system()")
            (cluster,) = cr.fetchone()
        _of_lines[line] = oid, cluster
    return _of_lines[line]


def here(cr):
    """Return the :class:`Place` that this process works at, as it is now."""
    # By SQL: the parameter itself and not what a process may have kept of it, for a copy gets another UUID.
    cr.execute("SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'")
    (uuid,) = cr.fetchone() or ("",)
    return Place(uuid or "", *_line(cr), environment_name())


def armings_here(cr):
    """Return the ids of the armings that hold at this place; what lives under none of them is disarmed."""
    oid, cluster = _line(cr)
    # By SQL: asked at each request and each second.
    cr.execute(
        """SELECT id FROM mrp_machine_arming
            WHERE database_uuid = COALESCE((SELECT value FROM ir_config_parameter WHERE key = 'database.uuid'), '')
              AND database_oid = %s AND cluster = %s AND environment = %s""",
        [oid, cluster, environment_name()],
    )
    return [arming_id for (arming_id,) in cr.fetchall()]
