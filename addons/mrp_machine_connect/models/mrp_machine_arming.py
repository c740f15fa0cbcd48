from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError

from ..arming_place import Place, armings_here, here


class MachineArming(models.Model):
    """An act by which somebody said: this database, at this place, may speak to the plant. Rows are never edited."""

    _name = "mrp.machine.arming"
    _description = "Machine Arming"
    _order = "id desc"
    _rec_name = "reason"

    reason = fields.Char(required=True, readonly=True, help="Why it was armed, in the words of who did.")
    user_id = fields.Many2one(
        "res.users", required=True, readonly=True, string="Armed By", ondelete="restrict", help="Who armed it."
    )
    armed = fields.Datetime(required=True, readonly=True, help="When it was armed.")
    database_uuid = fields.Char("Database UUID", required=True, readonly=True, help="Odoo's own id of the database.")
    database_oid = fields.Char(
        "Database Number",
        required=True,
        readonly=True,
        help="PostgreSQL's number of the database; each copy has another.",
    )
    cluster = fields.Char(
        required=True, readonly=True, help="The system identifier of the PostgreSQL server that holds the database."
    )
    environment = fields.Char(
        required=True,
        readonly=True,
        help="The environment that the server's configuration named, outside the database.",
    )

    def write(self, vals):  # pylint: disable=method-required-super
        raise UserError(self.env._("What was armed, by whom and why, cannot be changed. Arm anew instead."))

    @api.model
    def _note(self, reason):
        """Write down that the place we are at is armed, and return the record."""
        # sudo: managers arm by this method alone, so that no place can be made up
        return self.sudo().create(
            {
                "reason": reason,
                "user_id": self.env.uid,
                "armed": fields.Datetime.now(),
                **here(self.env.cr)._asdict(),
            }
        )

    @api.model
    def _of_this_place(self, reason):
        """Return an arming of the place we are at, noting one with this reason if there is none."""
        found = armings_here(self.env.cr)
        return self.sudo().browse(max(found)) if found else self._note(reason)

    @api.model
    def _arm(self, reason):
        """Arm all connections and all sources from outside for the place we are at, and log it on each.

        :param str reason: why, for the record
        :return: the arming
        """
        reason = (reason or "").strip()
        if not reason:
            raise UserError(self.env._("Say why this database may speak to machines."))
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_manager"):
            raise AccessError(self.env._("Only managers of machines may arm a database."))
        arming = self._note(reason)
        for name in ("mrp.machine.connection", "mrp.machine.source"):
            # sudo: a database is armed as a whole, for all its companies
            records = self.env[name].sudo().with_context(active_test=False).search([("arming_id", "!=", arming.id)])
            records = records.filtered(lambda record: record._wants_arming())
            records.arming_id = arming
            for record in records:
                record.message_post(body=self.env._("Armed: %s", reason), author_id=self.env.user.partner_id.id)
        return arming

    def _difference(self):
        """Return in words why what lives under this arming is disarmed here; empty when it is armed."""
        if not self:
            return self.env._(
                "It was not armed yet: it came with data or demonstration data, or from an older version."
            )
        place = here(self.env.cr)
        before = Place(self.database_uuid, self.database_oid, self.cluster, self.environment)
        changes = {
            "database_uuid": self.env._("the database has another UUID"),
            "database_oid": self.env._("PostgreSQL gave the database another number"),
            "cluster": self.env._("another PostgreSQL server holds it"),
            "environment": self.env._(
                "the server's environment is «%(now)s», and was «%(before)s»",
                now=place.environment,
                before=before.environment,
            ),
        }
        found = [words for name, words in changes.items() if getattr(place, name) != getattr(before, name)]
        if not found:
            return ""
        if [name for name in changes if getattr(place, name) != getattr(before, name)] == ["environment"]:
            return self.env._("This database runs in another environment than it was armed in: %s.", found[0])
        return self.env._("This database is a copy of the one that was armed, or was moved: %s.", "; ".join(found))


class MachineArmed(models.AbstractModel):
    """What lives under an arming: it talks to machines or their senders only at the place that was armed."""

    _name = "mrp.machine.armed"
    _description = "Armed Record"

    arming_id = fields.Many2one(
        "mrp.machine.arming",
        readonly=True,
        copy=False,
        ondelete="restrict",
        index="btree_not_null",
        groups="mrp_machine_connect.group_manager",
        help="The act under which it may speak to the plant: who armed the database it lives in, when and why.",
    )
    disarmed_words = fields.Char(
        "Disarmed",
        compute="_compute_disarmed_words",
        help="Why it is disarmed in this database. Empty: it is armed.",
    )

    def _wants_arming(self):
        """Return whether this record talks to anything outside of Odoo."""
        self.ensure_one()
        return True

    @api.depends_context("uid")
    def _compute_disarmed_words(self):
        words = {}
        for record in self:
            # sudo: whoever may see the record may see why it is disarmed
            arming = record.sudo().arming_id
            if arming not in words:
                words[arming] = arming._difference()
            record.disarmed_words = words[arming] if record._wants_arming() else False

    def _is_armed(self):
        """Return whether this record may talk to the plant here and now."""
        self.ensure_one()
        # sudo: the arming is the managers' to read, the answer is everybody's
        return self.sudo().arming_id.id in armings_here(self.env.cr)

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            vals.pop("arming_id", None)
        records = super().create(vals_list)
        # What somebody makes here is armed by that; what data and demo bring is not.
        if not self.env.context.get("install_mode") and (
            wanting := records.filtered(lambda record: record._wants_arming())
        ):
            reason = self.env._("Made here: %s", wanting[0].display_name)
            # sudo: the field is nobody's to write by hand
            wanting.sudo().arming_id = self.env["mrp.machine.arming"]._of_this_place(reason)
        return records

    def write(self, vals):
        if "arming_id" in vals and not self.env.su:
            raise UserError(self.env._("Arm by the button, so that it is logged who did and why."))
        return super().write(vals)

    def action_arm(self):
        """Ask why, and arm this database."""
        return self.env["ir.actions.act_window"]._for_xml_id("mrp_machine_connect.mrp_machine_arm_action")
