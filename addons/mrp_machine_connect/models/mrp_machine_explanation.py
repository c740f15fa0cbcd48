"""What became of an event, in five answers: captured, transformed, delivered, accepted, reflected."""

from markupsafe import Markup

from odoo import api, models
from odoo.tools import format_date, format_datetime

from ..machine_connect.instants import instant
from ..machine_connect.timestamps import timestamp
from ..moments import microseconds_of, naive_of_iso
from ..quantities import number_text, pieces_text
from ..wording import evidence, rule_lines

#: The five answers in the order in which they are given, each with the icon that stands for it.
STEPS = {
    "captured": "fa-eye",
    "transformed": "fa-cogs",
    "delivered": "fa-truck",
    "accepted": "fa-check-square-o",
    "reflected": "fa-book",
}
#: Further events that tell the same, and corrections, are named up to this number.
NAMED = 5


class MachineExplanation(models.AbstractModel):
    """Says of an event what was captured, what was made of it, how it came, whether it was taken, and what it did.

    The one place where this is put together: for the event's form, for the file of an auditor, and for the sender that asks.
    """

    _name = "mrp.machine.explanation"
    _description = "Machine Event Explanation"

    @api.model
    def _of(self, event):
        """Return the five answers about an event, in their order.

        :return: one ``{"step", "title", "at", "delay", "lines"}`` each: ``at`` in microseconds since 1970-01-01 UTC, None
            where nothing was done yet; ``delay`` in seconds since the answer before, None where that has no time; the lines
            are sentences, as text or Markup
        """
        effects = event.posting_ids.sorted("id")
        moments = [_moment(row.posting_id.create_date or row.write_date) for row in effects]
        titles = self._titles()
        said = {
            "captured": (event.occurred_us, self._captured(event)),
            "transformed": (event.recorded_us or None, self._transformed(event)),
            "delivered": (event.received_us, self._delivered(event)),
            "accepted": (event.received_us, self._accepted(event, effects)),
            "reflected": (min(filter(None, moments), default=None), self._reflected(event, effects)),
        }
        answers, before = [], None
        for step in STEPS:
            at, lines = said[step]
            delay = (at - before) / 1e6 if at and before else None
            answers.append({"step": step, "title": titles[step], "at": at, "delay": delay, "lines": lines})
            before = at or before
        return answers

    @api.model
    def _titles(self):
        _ = self.env._
        return {
            "captured": _("Captured"),
            "transformed": _("Transformed"),
            "delivered": _("Delivered"),
            "accepted": _("Accepted"),
            "reflected": _("Reflected"),
        }

    # Captured: which signal, raw value, quality, by whose clock

    def _captured(self, event):
        _ = self.env._
        data, kind = event.data or {}, event.source_id.kind
        if kind == "people":
            who = event.user_id.name or data.get("who") or "–"
            words = {"who": who, "machine": event.machine_id.name, "what": event.summary}
            return [
                _("%(who)s entered it by hand for %(machine)s: %(what)s.", **words),
                _("By %(who)s's word on when it was so.", who=who),
            ]
        if kind == "rules":
            return [
                _(
                    "Odoo decided it by a rule of %(machine)s: %(what)s.",
                    machine=event.machine_id.name,
                    what=event.summary,
                ),
                _("By the machine's time of the event that made it due."),
            ]
        lines = []
        if signal := event.signal_id:
            words = {"signal": signal.name, "machine": event.machine_id.name, "address": signal.address}
            lines.append(
                _("%(machine)s: signal «%(signal)s» at %(address)s.", **words)
                if signal.address
                else _("%(machine)s: signal «%(signal)s».", **words)
            )
        else:
            words = {"machine": event.machine_id.name, "sender": event.source_id.name}
            lines.append(_("%(machine)s, as «%(sender)s» says; it names no signal.", **words))
        if raw := evidence(self.env, data.get("raw")):
            lines.append(_("As read: %s.", raw))
        elif data.get("raw_value") not in (None, ""):
            lines.append(_("The machine called it «%s».", data["raw_value"]))
        lines.append(self._quality_words(event))
        lines.append(self._clock_words(event))
        return lines

    def _quality_words(self, event):
        _ = self.env._
        quality = event.quality or _("not said")
        if event.status is not False and event.status:
            return _("Quality: %(quality)s (status %(status)s).", quality=quality, status=event.status)
        return _("Quality: %s.", quality)

    def _clock_words(self, event):
        """Return by whose clock it is said when the event occurred."""
        _ = self.env._
        if event.source_id.kind != "poller":
            return _("By the clock of the sender.")
        if event.recorded_us == event.occurred_us:
            return _("By Odoo's own clock, when it was read: the machine gave no time.")
        return _("By the machine's own clock.")

    # Transformed: which rules, which version of the mapping, the counter before and after

    def _transformed(self, event):
        _ = self.env._
        data = event.data or {}
        lines = list(self._counter_lines(event, data))
        if data.get("window"):
            start, end = (microseconds_of(naive_of_iso(text)) for text in data["window"])
            lines.append(
                _("Between %(start)s and %(end)s nobody looked.", start=self._time(start), end=self._time(end))
            )
        lines += [f"{line}." for line in rule_lines(self.env, event.rules)]
        if not event.rules and event.source_id.is_outside:
            lines.append(_("No rule of ours looked at it: its sender says what it means."))
        lines += self._mapping_lines(event)
        return lines

    def _counter_lines(self, event, data):
        """Yield what an event says of a counter or of a state, before and after."""
        _ = self.env._
        before, after = counter_span(event)
        if before is not None and after is not None:
            words = {"before": number_text(before), "after": number_text(after)}
            if event.type == "production.counter_reset":
                yield _("The counter was set back from %(before)s to %(after)s; no piece was made by that.", **words)
            else:
                pieces = pieces_text(self.env, data.get("delta", 0))
                yield _("The counter went from %(before)s to %(after)s: %(pieces)s.", pieces=pieces, **words)
        else:
            yield _("It means: %s.", event.summary)

    def _mapping_lines(self, event):
        """Return under which version of the machine's signals and codes the event was made."""
        _ = self.env._
        if not event.mapping_version:
            return []
        version = self.env["mrp.machine.mapping.version"].search(
            [("machine_id", "=", event.machine_id.id), ("version", "=", event.mapping_version)], limit=1
        )
        if not version:
            return [_("Signals and codes: version %s.", event.mapping_version)]
        return [
            _(
                "Signals and codes: version %(version)s, by %(who)s at %(when)s.",
                version=event.mapping_version,
                who=version.user_id.name,
                when=self._time(_moment(version.date)),
            )
        ]

    # Delivered: source, stream, sequence, duplicates of it that are known

    def _delivered(self, event):
        _ = self.env._
        words = {"sender": event.source_id.name, "stream": event.stream, "number": event.sequence}
        if event.sequence is not False and event.sequence:
            lines = [_("By «%(sender)s», stream %(stream)s, number %(number)s.", **words)]
        else:
            lines = [_("By «%(sender)s», stream %(stream)s, without a number: a gap would not be seen.", **words)]
        lines.append(_("Identified by %s.", event.uid))
        return lines + self._duplicate_lines(event)

    def _duplicate_lines(self, event):
        """Return what is known of deliveries of the same: what comes again is stored once and only counted."""
        _ = self.env._
        lines = []
        same = self.env["mrp.machine.event"].search(
            [
                ("machine_id", "=", event.machine_id.id),
                ("occurred_us", "=", event.occurred_us),
                ("type", "=", event.type),
                ("digest", "=", event.digest),
                ("id", "!=", event.id),
            ],
            limit=NAMED,
        )
        for other in same:
            words = {"sender": other.source_id.name, "stream": other.stream, "uid": other.uid}
            lines.append(_("The same was said by «%(sender)s» as well, stream %(stream)s, as %(uid)s.", **words))
        day = instant(event.received_us).date()
        again = 0
        if event.source_id.is_outside:
            figures = self.env["mrp.machine.source.figure"].search(
                [("source_id", "=", event.source_id.id), ("action", "=", "deliver"), ("day", "=", day)]
            )
            again = sum(figures.mapped("duplicates"))
        if again:
            lines.append(
                _(
                    "Of what this source sent on %(day)s, %(count)s came again: each was stored once.",
                    day=format_date(self.env, day),
                    count=again,
                )
            )
        elif not same:
            lines.append(_("No second delivery of it is known; one would have been stored once all the same."))
        return lines

    # Accepted: disposition and reason, who released it

    def _accepted(self, event, effects):
        _ = self.env._
        if event.disposition == "held":
            reason = self.env["mrp.machine.poster"]._words().get(event.reason) or event.reason
            lines = [_("Held for a person: %s", reason)]
        else:
            lines = [_("Accepted as it came.")]
        for row in effects.filtered("released_by"):
            words = {"who": row.released_by.name, "effect": row.handler_name, "why": row.release_reason or "–"}
            lines.append(
                _("%(effect)s: ignored by %(who)s, because: %(why)s.", **words)
                if row.reason == "by_person"
                else _("%(effect)s: released by %(who)s.", **words)
            )
        return lines

    # Reflected: each effect, with its document and why it is that one

    def _reflected(self, event, effects):
        _ = self.env._
        if not effects:
            return [_("Not yet: it is looked at within a minute.")]
        lines = [self._effect_line(row) for row in effects]
        return lines + self._correction_lines(event)

    def _effect_line(self, row):
        """Return one effect of an event in words: what was done, where, why there; or why nothing was done."""
        _ = self.env._
        posting = row.posting_id
        label = dict(row._fields["state"]._description_selection(self.env))[row.state]
        head = Markup("<b>%s</b>: %s") % (row.handler_name, label)
        parts = [posting.summary if posting else row.message]
        if posting.duration:
            parts.append(seconds_text(self.env, posting.duration))
        if name := self._document(posting):
            parts.append(self._link(posting, name))
        if posting.explanation:
            parts.append(posting.explanation)
        if row.remedy:
            parts.append(_("What to do: %s", row.remedy))
        if row.attempts:
            parts.append(_("Attempts: %s", row.attempts))
        if posting:
            parts.append(_("Booked at %s", self._time(_moment(posting.create_date))))
        return Markup(" · ").join([head, *(part for part in parts if part)])

    def _link(self, posting, name):
        """Return a document's name as a link to it, where the user may read it."""
        # A link into nothing would only annoy: whoever may not read the document reads its name.
        if not self.env[posting.res_model].browse(posting.res_id).has_access("read"):
            return name
        return Markup('<a href="/odoo/%s/%s">%s</a>') % (posting.res_model, posting.res_id, name)

    def _correction_lines(self, event):
        """Return who corrected this event, or what it corrects itself."""
        _ = self.env._
        log, lines = self.env["mrp.machine.event"], []
        on_machine = [("machine_id", "=", event.machine_id.id)]
        if event.type == "correction.adjust" and event.correlation:
            first = log.search([*on_machine, ("uid", "=", event.correlation)], limit=1)
            if first:
                words = Markup('<a href="/odoo/machine-events/%s">%s</a>') % (first.id, first.summary)
                lines.append(_("It corrects: %s", words))
            return lines
        corrections = log.search(
            [*on_machine, ("type", "=", "correction.adjust"), ("correlation", "=", event.uid)], limit=NAMED
        )
        for correction in corrections:
            words = Markup('<a href="/odoo/machine-events/%s">%s</a>') % (correction.id, correction.summary)
            who = correction.user_id.name or (correction.data or {}).get("who") or "–"
            lines.append(_("Corrected by %(who)s: %(what)s", who=who, what=words))
        return lines

    # For the sender that asks

    @api.model
    def _effects(self, event):
        """Return the effects of an event as facts, JSON only."""
        return [self._effect(row) for row in event.posting_ids.sorted("id")]

    def _effect(self, row):
        posting = row.posting_id
        return {
            "handler": row.handler,
            "effect": row.handler_name,
            "state": row.state,
            "reason": row.reason or "",
            "message": row.message or "",
            "remedy": row.remedy or "",
            "attempts": row.attempts,
            "posted": timestamp(_moment(posting.create_date)) if posting else None,
            "summary": posting.summary or "",
            "explanation": posting.explanation or "",
            "document": self._document(posting),
        }

    def _document(self, posting):
        """Return the document that carries an effect in words: what it is, and its name; empty where it is no more."""
        if not posting.res_model or posting.res_model not in self.env:
            return ""
        # sudo: which document carries an effect may be known to whoever may read the effect
        document = self.env[posting.res_model].sudo().browse(posting.res_id).exists()
        return f"{document._description} {document.display_name}" if document else ""

    # As a page

    def _time(self, us):
        """Return a moment for the user who looks: date and time to the second, in the user's time zone."""
        return format_datetime(self.env, instant(us).replace(tzinfo=None)) if us else ""

    @api.model
    def _html(self, event):
        """Return the five answers as HTML that is read on a phone as well as at a desk."""
        _ = self.env._
        answers = Markup()
        for answer in self._of(event):
            delay = answer["delay"]
            later = ""
            if delay is not None and answer["step"] != "accepted":
                later = Markup('<span class="badge rounded-pill text-bg-light ms-2">%s</span>') % self._delay(delay)
            when = Markup('<span class="text-muted text-nowrap">%s</span>') % (self._time(answer["at"]) or _("not yet"))
            lines = Markup().join(Markup("<div>%s</div>") % line for line in answer["lines"])
            answers += Markup(
                '<li class="d-flex gap-2 mb-3" data-step="%s"><i class="fa fa-fw %s fs-4 text-primary mt-1"></i>'
                '<div class="flex-grow-1 text-break" style="min-width: 0"><div class="d-flex flex-wrap align-items-baseline gap-2">'
                '<h4 class="mb-0">%s</h4>%s%s</div>%s</div></li>'
            ) % (answer["step"], STEPS[answer["step"]], answer["title"], when, later, lines)
        return Markup('<ol class="list-unstyled mb-0 o_machine_answers">%s</ol>') % answers

    def _delay(self, seconds):
        """Return how long after the step before something was done, in words."""
        if abs(seconds) < 0.05:
            return self.env._("at once")
        if seconds < 0:
            return self.env._("%s earlier", seconds_text(self.env, -seconds))
        return self.env._("%s later", seconds_text(self.env, seconds))


def counter_span(event):
    """Return ``(before, after)`` of the counter that an event speaks of, both None where it speaks of none."""
    data = event.data or {}
    if event.type == "production.counter_reset":
        return data.get("from"), data.get("to")
    return data.get("total_before"), data.get("total_after")


def seconds_text(env, seconds):
    """Return a length of time for people: 0.2 s, 4 min 5 s, 2 h 10 min, 3 d 4 h."""
    if seconds < 10:
        return env._("%s s", f"{seconds:.1f}".removesuffix(".0"))
    total = round(seconds)
    minutes, seconds = divmod(total, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return env._("%(d)s d %(h)s h", d=days, h=hours)
    if hours:
        return env._("%(h)s h %(min)s min", h=hours, min=minutes)
    if minutes:
        return env._("%(min)s min %(s)s s", min=minutes, s=seconds)
    return env._("%s s", seconds)


def _moment(moment):
    """Return a moment of Odoo's, naive and UTC, in microseconds; None for none."""
    return microseconds_of(moment) if moment else None
