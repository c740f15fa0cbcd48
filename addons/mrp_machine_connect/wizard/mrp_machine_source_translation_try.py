import json
import time

from odoo import api, fields, models

from ..machine_connect.envelope import Rejected
from ..machine_connect.instants import instant
from ..machine_connect.refusals import RequestRefused
from ..machine_connect.translation import JSON, UNITS, translate


class TranslationTry(models.TransientModel):
    """A box that shows what a body becomes by the translations of a source. Nothing is stored, and nothing is delivered."""

    _name = "mrp.machine.source.translation.try"
    _description = "Try Translations"

    source_id = fields.Many2one("mrp.machine.source", required=True, readonly=True, ondelete="cascade")
    body = fields.Text(
        default=lambda self: self._sample(),
        help='What the sender sends, as JSON: one metric, or {"metrics": [...]}. Telegraf writes it with outputs.file.',
    )
    becomes = fields.Text(compute="_compute_becomes", help="A line for each event, in the order of the answer.")
    problem = fields.Text(compute="_compute_becomes", help="Why nothing of it would be taken.")

    @api.model
    def _sample(self):
        """Return a body with one metric for each translation of the source."""
        source = self.env["mrp.machine.source"].browse(self.env.context.get("default_source_id"))
        code = source._machines()[:1].code if source else ""
        metrics = []
        for translation in source.translation_ids:
            lines = translation.line_ids
            tags = dict.fromkeys(lines.filtered(lambda line: line.origin == "tag").mapped("said"), "C62")
            tags |= {translation.tag: translation.tag_value} if translation.tag else {}
            tags |= {translation.machine_tag: code or "CODE"} if not translation.machine_id else {}
            fields_said = lines.filtered(lambda line: line.origin == "field").mapped("said")
            metrics.append(
                {
                    "name": translation.metric,
                    "tags": tags,
                    "fields": dict.fromkeys(fields_said, 1),
                    "timestamp": int(time.time()) * UNITS[translation.unit],
                }
            )
        return json.dumps({"metrics": metrics}, indent=1, ensure_ascii=False)

    @api.depends("source_id", "body")
    def _compute_becomes(self):
        words = self.env["mrp.machine.door"]._reason_words()
        for box in self:
            box.becomes = box.problem = ""
            rules = [translation._rule() for translation in box.source_id.translation_ids]
            if not rules:
                box.problem = self.env._("The source has no translation in use. Add one first.")
                continue
            try:
                events = translate((box.body or "").encode("utf-8", "replace"), JSON, "", rules)
            except RequestRefused as refused:
                box.problem = words[refused.code]
                continue
            box.becomes = "\n".join(box._lines(events, words)) or self.env._("Nothing: no metric is in it.")

    def _lines(self, events, words):
        """Return a line about each event: what happened, or why it is not taken."""
        self.ensure_one()
        codes = {event.machine for event in events if not isinstance(event, Rejected)}
        source = self.source_id.with_context(machine_bearer=self.source_id.allows_bearer)
        machines = {machine.code: machine for machine in source._machines(codes)}
        refused = self.env["mrp.machine.intake"]._refused(source, machines)
        for place, event in enumerate(events, 1):
            reason = refused(event)
            if isinstance(event, Rejected):
                line = event.params.get("pointer") or event.uid
            else:
                said = self.env["mrp.machine.event"].new({"type": event.type, "data": event.data})._sentence()
                moment = fields.Datetime.to_string(instant(event.occurred).replace(tzinfo=None))
                line = self.env._(
                    "%(type)s of %(machine)s at %(moment)s UTC: %(said)s",
                    type=event.type, machine=event.machine or "–", moment=moment, said=said,
                )  # fmt: skip
            yield f"{place}. {line}" + (f" – {self.env._('not taken')}: {words[reason]} ({reason})" if reason else "")
