from odoo import fields, models


class MachineMappingVersion(models.Model):
    """Who changed which signal or code of a machine, and when. Each event names the version it was made with."""

    _name = "mrp.machine.mapping.version"
    _description = "Machine Mapping Version"
    _order = "version desc, id desc"

    machine_id = fields.Many2one("mrp.machine", required=True, readonly=True, index=True, ondelete="cascade")
    company_id = fields.Many2one(related="machine_id.company_id", store=True, index=True)
    version = fields.Integer(required=True, readonly=True)
    user_id = fields.Many2one("res.users", string="Changed by", required=True, readonly=True, ondelete="restrict")
    date = fields.Datetime(required=True, readonly=True, default=fields.Datetime.now)
    changes = fields.Text(readonly=True, help="What is different from the version before.")
    snapshot = fields.Json(readonly=True, help="All signals, codes and conditions as they were from then on.")

    _version_unique = models.UniqueIndex("(machine_id, version)")

    def _record(self, machine, user):
        """Write the next version of a machine's mapping, unless nothing that matters changed.

        :return: the new version, or an empty recordset
        """
        last = self.search([("machine_id", "=", machine.id)], limit=1)
        snapshot = {
            "signals": {str(signal.id): signal._snapshot() for signal in machine.signal_ids},
            "codes": {str(code.id): code._snapshot() for code in self._codes(machine)},
        }
        if conditions := self.env["mrp.machine.condition"]._of_machine(machine):
            snapshot["conditions"] = {str(condition.id): condition._snapshot() for condition in conditions}
        before = last.snapshot or {"signals": {}, "codes": {}}
        if before == snapshot:
            return self.browse()
        version = last.version + 1 if last else machine.mapping_version
        machine.with_context(tracking_disable=True).mapping_version = version
        return self.create(
            {
                "machine_id": machine.id,
                "version": version,
                "user_id": user.id,
                "snapshot": snapshot,
                "changes": "\n".join(self._differences(before, snapshot)),
            }
        )

    def _codes(self, machine):
        """Return the codes that a machine's words are looked up in: its company's, unless it has one of its own for it."""
        codes = self.env["mrp.machine.code"]
        found = [code for kind, _label in codes._fields["kind"].selection for code in codes._of_machine(machine, kind)]
        return codes.concat(*{(code.kind, code.code): code for code in found}.values())

    def _differences(self, before, after):
        """Yield one line a difference between two snapshots, in the order signals, codes, conditions."""
        for part in ("signals", "codes", "conditions"):
            old, new = before.get(part) or {}, after.get(part) or {}
            for key in sorted(old.keys() | new.keys(), key=int):
                was, now = old.get(key), new.get(key)
                name = (now or was).get("name") or (now or was).get("code")
                if was is None:
                    yield self.env._("%(name)s: added", name=name)
                elif now is None:
                    yield self.env._("%(name)s: removed", name=name)
                else:
                    for field in sorted(now.keys() | was.keys()):
                        if was.get(field) != now.get(field):
                            yield f"{name}: {field} {was.get(field)!r} → {now.get(field)!r}"
