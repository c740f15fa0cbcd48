from odoo import api, models

from ..polling_host import PASSING


class MachineHandler(models.AbstractModel):
    """Turns events of certain types into one kind of effect. One file a handler; another addon adds one by such a file.

    The poster calls :meth:`_group` for each event and :meth:`_post` once for all events of a group, in a savepoint of
    its own. Both run as the service user in the machine's company. What they raise is in ``postings/outcome.py``.
    """

    _name = "mrp.machine.handler"
    _description = "Machine Event Handler"

    #: The types of events that this handler takes; several handlers may take the same.
    _event_types = ()
    #: Of which types :meth:`_takes` is asked for each event; None: of all, where a handler overrides it.
    _asked_types = None
    #: Whether it touches documents: such handlers obey posting mode and pause.
    _touches_documents = True
    #: Whether it takes readings and sums of readings, which otherwise stay in the log.
    _takes_telemetry = False
    #: Whether the effects of many groups are brought about in one go, by :meth:`_post_groups`: where they come in floods.
    _posts_together = False
    #: Whether pieces, orders and time of all machines go before it, in transactions of their own.
    _is_patient = False
    #: Handlers with a lower number see an event first.
    _handler_sequence = 10

    @api.model
    def _handler_name(self):
        """Return the name under which effects are kept: the model's last part."""
        return self._name.removeprefix("mrp.machine.handler.")

    @api.model
    def _title(self):
        """Return the name of the effect for people."""
        return self._description

    @api.model
    def _takes(self, event):
        """Return whether an event is this handler's business; one that is not leaves no trace of it.

        :param event: one mrp.machine.event
        """
        return event.type in self._event_types

    @api.model
    def _group(self, row):
        """Return what the events of one effect have in common, hashable. Default: each event is an effect of its own.

        :param row: one entry of mrp.machine.queue: an event of a machine
        :raise Outcome: the event has no effect, or not yet
        """
        return row.id

    @api.model
    def _groups(self, rows):
        """Sort events by the effect that they have together: each by :meth:`_group`.

        A handler overrides it where what it needs to know is found for many events at once.

        :param rows: mrp.machine.queue entries of one machine, in the order in which their events occurred
        :return: ``{group: [row id]}``, and ``{row id: error}`` of those that have no effect, or not yet
        """
        return self._sort(rows, self._group)

    @api.model
    def _sort(self, rows, group_of):
        """Sort events by what a function says of each: its group, or the Outcome that it ended with, raised or not."""
        groups, refused = {}, {}
        for row in rows:
            try:
                group = group_of(row)
            except PASSING:
                raise  # the whole transaction is to be tried again
            except Exception as error:  # a bug, or data that nobody expected, is this event's matter alone
                group = error
            if isinstance(group, Exception):
                refused[row.id] = group
            else:
                groups.setdefault(group, []).append(row.id)
        return groups, refused

    @api.model
    def _products(self, group):
        """Return the ids of the products whose stock or reservation the effect of a group touches."""
        return set()

    @api.model
    def _post(self, group, rows):
        """Bring about the effect of a group of events, in the order in which they occurred.

        :param group: what :meth:`_group` returned
        :param rows: the mrp.machine.queue entries of the group; their events and machine are read before anything is
            written, for whoever works on documents has no right to the queue
        :return: the mrp.machine.posting that :meth:`_posting` made, or an Outcome that waits while what was written stays
        :raise Outcome: not yet, or not at all; with several events each is then tried alone
        """
        return self._post_groups({group: rows})[group]

    @api.model
    def _post_groups(self, groups):
        """Bring about the effects of several groups in one savepoint. When that fails each is posted alone.

        :param dict groups: ``{group: mrp.machine.queue entries}`` of one machine
        :return: ``{group: mrp.machine.posting or Outcome}``
        """
        raise NotImplementedError

    @api.model
    def _posting(self, rows, summary, document=None, **values):
        """Write down an effect.

        :param rows: the events' mrp.machine.queue entries
        :param str summary: what was done, translated
        :param document: the record that carries it
        :param values: further fields of mrp.machine.posting
        """
        # sudo: postings are the poster's alone
        return self.env["mrp.machine.posting"].sudo().create(self._posting_values(rows, summary, document, **values))

    @api.model
    def _postings(self, values, late):
        """Write down the effects of several groups, and that events which came too early had theirs with them.

        :param dict values: ``{group: values as of _posting_values}``
        :param dict late: ``{group: the mrp.machine.event.posting of such events}``, of some of the groups
        :return: ``{group: mrp.machine.posting}``
        """
        # sudo: postings are the poster's alone
        postings = self.env["mrp.machine.posting"].sudo().create(list(values.values()))
        made = dict(zip(values, postings, strict=True))
        for group, effects in late.items():
            posting = made[group]
            effects.write({"state": "posted", "reason": False, "message": posting.summary, "posting_id": posting.id})
        return made

    @api.model
    def _posting_values(self, rows, summary, document=None, **values):
        """Return the values of a posting, with the parameters of :meth:`_posting`."""
        # sudo: the queue is the poster's alone
        rows = rows.sudo()
        events, machine = rows.event_id, rows[:1].machine_id
        return {
            "machine_id": machine.id,
            "company_id": machine.company_id.id,  # given, it is written at once, not in a second statement
            "handler": self._handler_name(),
            "res_model": document._name if document else False,
            "res_id": document.id if document else False,
            "occurred_from": events[:1].occurred,
            "occurred_to": events[-1:].occurred,
            "summary": summary,
            **values,
        }
