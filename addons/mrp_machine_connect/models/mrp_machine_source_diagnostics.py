import base64
import json

from odoo import fields, models, release
from odoo.tools import json_default

from .mrp_machine_door import environment_name

#: Lines of each kind at most.
LINES = 500
#: What of each record goes into the file: named one by one, so that nothing gets out by being new.
SOURCE = (
    "name", "kind", "active", "areas", "event_types", "networks", "allows_deliver", "allows_heartbeat", "allows_config",
    "allows_trace", "allows_metrics", "allows_bearer", "allows_bearer_in_production", "silent_after", "refused_limit",
    "last_heard", "clock_offset", "software", "spool_depth", "spool_oldest", "requests_today", "events_today",
    "duplicates_today", "held_today", "refused_today", "events_per_minute", "gaps_open", "is_silent",
)  # fmt: skip
KEY = ("name", "algorithm", "valid_from", "valid_until", "revoked", "last_used")
STREAM = ("name", "epoch", "lowest", "sequence", "gap_count")
GAP = ("first", "last", "missing", "opened", "closed")
REFUSAL = ("day", "reason", "words", "count", "first", "last", "address")
STATUS = ("heard", "clock_offset", "software", "version", "spool_depth", "spool_oldest", "streams", "silent_since")


class MachineSource(models.Model):
    """What support needs to know of a source, as a file: figures, refusals, gaps, streams, keys by their ids. No secret."""

    _inherit = "mrp.machine.source"

    diagnostics_file = fields.Binary(
        compute="_compute_diagnostics_file",
        groups="mrp_machine_connect.group_manager",
        help="Figures, refusals, gaps, streams and the ids of keys as JSON. No secret is in it.",
    )

    def _compute_diagnostics_file(self):
        for source in self:
            text = json.dumps(source._diagnostics(), indent=2, ensure_ascii=False, default=json_default)
            source.diagnostics_file = base64.b64encode(text.encode())

    def _diagnostics(self):
        """Return all that is known of this source and is no secret."""
        self.ensure_one()
        gaps = self.env["mrp.machine.gap"].search([("stream_id.source_id", "=", self.id)], limit=LINES)
        figures = self.figure_ids[:LINES]
        names = [
            name for name, field in figures._fields.items() if field.column_type and name not in ("id", "source_id")
        ]
        # sudo: versions and connections of the server are facts for whoever may download the file
        module = self.env["ir.module.module"].sudo().search([("name", "=", "mrp_machine_connect")])
        return {
            "made": fields.Datetime.now(),
            "versions": {
                "odoo": release.version,
                "mrp_machine_connect": module.installed_version,
                "postgresql": self.env.cr.connection.server_version,
            },
            "environment": environment_name(),
            "source": _facts(self, SOURCE),
            "machines": self._machines().mapped("code"),
            "status": [_facts(status, STATUS) for status in self.status_ids],
            "keys": [_facts(key, KEY) for key in self.key_ids],
            "streams": [_facts(stream, STREAM) for stream in self.stream_ids[:LINES]],
            "gaps": [{"stream": gap.stream_id.name, **_facts(gap, GAP)} for gap in gaps],
            "refusals": [_facts(line, REFUSAL) for line in self.refusal_ids[:LINES]],
            "figures": [_facts(line, names) for line in figures],
        }

    def action_download_diagnostics(self):
        """Download what support needs to know."""
        self.ensure_one()
        self.check_access("write")
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/diagnostics_file/source-{self.id}.json?download=true",
            "target": "self",
        }


def _facts(record, names):
    return {name: record[name] if record[name] is not False else None for name in names if name in record._fields}
