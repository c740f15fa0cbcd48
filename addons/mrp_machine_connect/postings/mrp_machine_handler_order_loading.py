from datetime import timedelta

from odoo import api, models

from ..order_words import BEGUN
from .outcome import Ignored, Waiting

#: What a person enters has no fractions of it.
SECOND = timedelta(seconds=1)


class MachineHandlerOrderLoading(models.AbstractModel):
    """What the machine says of its order, or of its program, decides what is loaded on it from that moment on.

    It comes before counts, so that pieces of the same batch find their order. It touches no document: a machine that is
    only observed, or paused, has its orders loaded all the same.
    """

    _name = "mrp.machine.handler.order_loading"
    _inherit = "mrp.machine.handler"
    _description = "Order on the Machine"
    _event_types = (
        "production.order_started",
        "production.order_resumed",
        "production.order_paused",
        "production.order_completed",
        "machine.program_changed",
    )
    _touches_documents = False
    _handler_sequence = 8

    @api.model
    def _takes(self, event):
        # What a rule completes is taken off the machine where it is finished. Where no operation and no bill of
        # materials names a program, programs say nothing about orders.
        if not super()._takes(event) or event.source_id.kind == "rules":
            return False
        return event.type != "machine.program_changed" or event.machine_id._uses_programs()

    @api.model
    def _post(self, group, rows):
        event = rows.event_id
        machine = event.machine_id.with_env(self.env)
        # sudo: a loading is written by nobody; the machine's word does
        loadings = self.env["mrp.machine.loading"].sudo()
        loading = loadings._at(machine, event.occurred)
        if event.type == "machine.program_changed":
            return self._program(rows, machine, event, loading)
        if event.type in BEGUN:
            return self._begin(rows, machine, event, loading)
        return self._leave(rows, machine, event, loading)

    @api.model
    def _begin(self, rows, machine, event, loading):
        try:
            production, workorder, explanation = machine._order_told(event)
        except Waiting as waiting:
            return self._unclear(waiting, machine, event, loading)
        return self._load(rows, machine, event, production, workorder, "machine", explanation)

    @api.model
    def _unclear(self, waiting, machine, event, loading):
        """Return why an event waits; what it meant is not known, but what ran before it ran no longer.

        What a person loaded after the machine had said so is the answer.
        """
        answered = loading.found_by == "person" and (
            loading.create_date >= event.received or loading.date_start > event.occurred - SECOND
        )
        if answered:
            name = (loading.workorder_id or loading.production_id).display_name
            raise Ignored(
                "loaded", self.env._("A person said that it was %(order)s. %(why)s", order=name, why=waiting.message)
            )
        loading._leave_by(event)
        return waiting

    @api.model
    def _load(self, rows, machine, event, production, workorder, found_by, explanation):
        loadings = self.env["mrp.machine.loading"].sudo()  # sudo: as above
        loading = loadings._tell(machine, production, workorder, event, found_by=found_by, explanation=explanation)
        loadings._retry_since(machine, loading.date_start, loading.date_end, rows.event_id)
        return self._posting(
            rows,
            self.env._(
                "%(order)s loaded on %(machine)s",
                order=(workorder or production).display_name,
                machine=machine.name,
            ),
            workorder or production,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=machine._loaded_words(loading),
        )

    @api.model
    def _leave(self, rows, machine, event, loading):
        """The machine works on its order no longer."""
        production, workorder = loading.production_id, loading.workorder_id
        name = (workorder or production).display_name
        if not loading:
            raise Ignored("not_loaded", self.env._("No order was loaded at that time."))
        data = event.data or {}
        # A signal that is empty names no order at all; what a person loaded beside it stays.
        if not (data.get("value") == "" and loading.found_by != "person"):
            try:
                told = machine._order_of_word(str(data["order"]).strip())[0]
            except Waiting:
                told = production.browse()
            if told != production:
                raise Ignored("not_loaded", self.env._("%s was loaded at that time, and it stays.", name))
        loading._leave_by(event)
        return self._left(rows, machine, production, workorder, self.env._("By the machine's own word."))

    @api.model
    def _left(self, rows, machine, production, workorder, why):
        return self._posting(
            rows,
            self.env._(
                "%(order)s left %(machine)s",
                order=(workorder or production).display_name,
                machine=machine.name,
            ),
            workorder or production,
            production_id=production.id,
            workorder_id=workorder.id,
            explanation=why,
        )

    # By program

    @api.model
    def _program(self, rows, machine, event, loading):
        word = str((event.data or {}).get("value") or "").strip()
        mine = loading if loading.found_by == "program" else loading.browse()
        if not word:
            if not mine:
                raise Ignored("no_program", self.env._("The machine runs no program, and no order follows from it."))
            order = mine.production_id, mine.workorder_id
            mine._leave_by(event)
            return self._left(rows, machine, *order, self.env._("The machine runs no program any more."))
        candidates, explanation, waiting = machine._order_of_program(word)
        if loading and not mine:
            self._stays(loading.production_id, loading.workorder_id, candidates, word)
        if not loading:
            candidates = self._narrowed(machine, event, candidates, word)
        if len(candidates) > 1:
            candidates, waiting, explanation = self._chosen(machine, event, candidates, word, explanation)
        if not candidates:
            return self._unclear(waiting, machine, event, loading)
        return self._load(rows, machine, event, *candidates[0], "program", explanation)

    @api.model
    def _stays(self, production, workorder, candidates, word):
        """The order that the machine named or a person loaded is the one, whatever program runs.

        :raise Ignored: always
        """
        name = (workorder or production).display_name
        if (production, workorder) in candidates:
            raise Ignored("no_change", self.env._("%(order)s uses the program «%(word)s».", order=name, word=word))
        raise Ignored(
            "loaded",
            self.env._(
                "%(order)s was loaded at that time, and it stays, although the program «%(word)s» is not known to be its own.",
                order=name,
                word=word,
            ),
        )

    @api.model
    def _narrowed(self, machine, event, candidates, word):
        """Return the candidates that are left beside a single work order in progress on the work center.

        :raise Ignored: that work order runs, and does not use the program
        """
        running = machine._running_orders()
        # What runs on another machine of the work center, or was left by this one, says nothing.
        elsewhere = self.env["mrp.machine.loading"].search(
            [("workorder_id", "in", running.ids), "|", ("date_end", "=", False), ("machine_id", "=", machine.id)]
        )
        steps = [workorder for _production, workorder in candidates]
        running = running.filtered(lambda step: step in steps or step not in elsewhere.workorder_id)
        found = machine._order_in_progress(running, event.occurred)
        if isinstance(found, tuple):
            if found[:2] not in candidates:
                self._stays(*found[:2], candidates, word)
            return [found[:2]]
        return candidates

    @api.model
    def _chosen(self, machine, event, candidates, word, explanation):
        """Return the one of several candidates that is in progress, or why it is not certain which is meant."""
        steps = self.env["mrp.workorder"].browse([workorder.id for _production, workorder in candidates])
        found = machine._order_in_progress(machine._running_orders() & steps, event.occurred)
        if isinstance(found, tuple):
            words = self.env._("%s Of several such orders the only one in progress.", explanation)
            return [found[:2]], None, words
        named = [(workorder or production).display_name for production, workorder in candidates]
        words = self.env._(
            "The program «%(word)s» is used by several open orders: %(orders)s.", word=word, orders=", ".join(named[:5])
        )
        return [], Waiting("ambiguous", words, detail=f"program:{word}"), explanation
