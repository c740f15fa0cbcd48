"""Which order does a machine mean by its own word for it, or by the program that it runs?"""

import re

from odoo import api, fields, models
from odoo.fields import Domain

from ..machine_connect.state import same
from ..postings.outcome import Waiting
from .mrp_workorder import CLOSED

#: So many candidates are named in a sentence.
NAMED = 5
#: What waits for the meaning of a machine's word for its order.
UNKNOWN = ("unknown_order", "unknown_program", "order_draft", "order_closed", "wrong_work_center", "ambiguous")
PROGRAM_HELP = (
    "How machines call the program that makes this, exactly as they say it; several are separated by semicolons. A "
    "machine that reports this program then works on the open order that uses it, unless it names another order itself or "
    "a person loaded one."
)


def programs_of(text):
    """Return the programs that a field names, in the form in which they are compared.

    >>> sorted(programs_of(" O1234 ; BRACKET.NC"))
    ['bracket.nc', 'o1234']
    """
    return {same(part) for part in (text or "").split(";") if part.strip()}


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _order_told(self, event):
        """Return ``(production, work order, explanation)`` that this machine means by an event about its order.

        :raise Waiting: it is no order of this machine's company, not an open one, one of another work center, or it is
            not certain which of several
        """
        self.ensure_one()
        data = event.data or {}
        word = str(data["order"]).strip()
        production, workorder, explanation = self._order_of_word(word)
        self._check_told(production, workorder, data, word)
        workorder = workorder or self._step_here(production, data.get("operation"), word)
        return production, workorder, explanation

    def _order_of_word(self, word):
        """Return ``(production, work order, explanation)`` of a word, the work order empty where the word leaves it open.

        :raise Waiting: nothing is called so, or several orders are
        """
        _ = self.env._
        orders, steps = self._orders(), self.env["mrp.workorder"]
        here = Domain("company_id", "=", self.company_id.id)
        if found := orders.search(here & Domain("name", "=", word)):
            return found, steps, _("The machine named it: «%s».", word)
        if found := steps.search(
            Domain("production_id.company_id", "=", self.company_id.id) & Domain("barcode", "=", word)
        ):
            if len(found) == 1:
                return found.production_id, found, _("The machine read the barcode of the work order: «%s».", word)
        opened = here & Domain("state", "not in", CLOSED)
        # An order that was closed short goes on under its own name with a number behind it.
        chain = orders.search(opened & Domain("name", "=like", f"{_escaped(word)}-%"))
        chain = chain.filtered(lambda order: re.fullmatch(r"-\d+", order.name[len(word) :]))
        if found := self._only(chain, word):
            return found, steps, _("The open order of those that «%s» was split into.", word)
        if found := self._only(orders.search(opened & Domain("origin", "=", word), limit=NAMED + 1), word):
            return found, steps, _("The only open order with the source document «%s» that the machine named.", word)
        at_work = self._open_steps().filtered(lambda step: same(step.name) == same(word))
        if found := self._only(at_work, word):
            return found.production_id, found, _("The only open work order here that is called «%s».", word)
        raise Waiting(
            "unknown_order",
            _(
                "The machine works on «%(word)s», and no order of %(company)s is called so.",
                word=word,
                company=self.company_id.name,
            ),
            detail=f"order:{word}",
        )

    def _orders(self):
        """Return the model of orders as the machine's company sees it."""
        # sudo: which order a machine means is the same for whoever asks
        return self.env["mrp.production"].sudo().with_company(self.company_id)

    def _open_steps(self):
        """Return the open work orders on the machine's work center."""
        if not self.workcenter_id:
            return self.env["mrp.workorder"]
        return self.env["mrp.workorder"].search(
            [
                ("workcenter_id", "=", self.workcenter_id.id),
                ("state", "not in", CLOSED),
                ("production_id.state", "not in", CLOSED),
                ("production_id.company_id", "=", self.company_id.id),
            ]
        )

    def _only(self, found, word):
        """Return the one that was found, or nothing.

        :raise Waiting: there are several
        """
        if len(found) > 1:
            raise self._ambiguous(self.env._("«%s» may mean", word), found, f"order:{word}")
        return found

    def _ambiguous(self, who, candidates, detail):
        """Return a Waiting that names the candidates.

        :param str who: the beginning of the sentence
        """
        names = candidates[:NAMED].mapped("display_name")
        if len(candidates) > NAMED:
            names.append("…")
        return Waiting(
            "ambiguous",
            self.env._("%(who)s any of these: %(candidates)s.", who=who, candidates=", ".join(names)),
            detail=detail,
        )

    def _check_told(self, production, workorder, data, word):
        """Refuse an order that the machine cannot work on.

        :raise Waiting: one sentence on why
        """
        _ = self.env._
        name = (workorder or production).display_name
        if production.state == "draft":
            raise Waiting(
                "order_draft",
                _("%s is a draft. It is loaded once it is confirmed.", name),
                detail=f"order:{word}",
            )
        if production.state in CLOSED or workorder.state in CLOSED:
            label = dict(production._fields["state"]._description_selection(self.env))
            state = (workorder if workorder.state in CLOSED else production).state
            raise Waiting(
                "order_closed",
                _("The machine works on %(order)s, which is closed: %(state)s.", order=name, state=label[state]),
                detail=f"order:{word}",
            )
        said, product = data.get("product"), production.product_id
        names = filter(None, (product.default_code, product.barcode, product.name))
        if said and same(said) not in set(map(same, names)):
            raise Waiting(
                "wrong_product",
                _(
                    "The machine says that it makes «%(said)s», and %(order)s makes %(product)s.",
                    said=said,
                    order=name,
                    product=product.display_name,
                ),
                detail=f"order:{word}",
            )

    def _step_here(self, production, operation, word):
        """Return the work order of an order that this machine does; an empty recordset where the order has none at all.

        :param str operation: what the machine calls the step, or None
        :raise Waiting: none of them is done here, or it is not certain which
        """
        _ = self.env._
        steps = production._steps()
        if not production.workorder_ids:
            return steps
        detail = f"order:{word}"
        opened = steps.filtered(lambda step: step.state not in CLOSED)
        if not opened:
            raise Waiting(
                "order_closed", _("All work orders of %s are closed.", production.display_name), detail=detail
            )
        if operation:
            named = opened.filtered(lambda step: same(operation) in {same(step.name), same(step.operation_id.name)})
            if not named:
                raise Waiting(
                    "unknown_order",
                    _("%(order)s has no open work order «%(name)s».", order=production.display_name, name=operation),
                    detail=detail,
                )
            opened = named
        here = opened
        if self.workcenter_id:
            here = opened.filtered(lambda step: step.workcenter_id == self.workcenter_id)
            # Planned on another one that this one may stand in for.
            here = here or opened.filtered(
                lambda step: self.workcenter_id in step.workcenter_id.alternative_workcenter_ids
            )
        if not here:
            raise Waiting(
                "wrong_work_center",
                _(
                    "%(order)s is made on %(centers)s, and this machine belongs to %(here)s.",
                    order=production.display_name,
                    centers=", ".join(opened.workcenter_id.mapped("name")),
                    here=self.workcenter_id.name,
                ),
                detail=detail,
            )
        return self._next_step(here, detail, production.display_name)

    def _next_step(self, steps, detail, name):
        """Return the one work order of several that is in progress, or else the one that is not blocked by another.

        :raise Waiting: there is none such, or several
        """
        if len(steps) == 1:
            return steps
        for state in ("progress", "ready"):
            found = steps.filtered(lambda step, state=state: step.state == state)
            if len(found) == 1:
                return found
        raise self._ambiguous(self.env._("The machine works on %s, and that may be", name), steps, detail)

    # By program

    def _uses_programs(self):
        """Return whether in this machine's company any operation or bill of materials names a program."""
        known = Domain("machine_program", "!=", False) & Domain("company_id", "in", [self.company_id.id, False])
        # sudo: as for orders
        return any(
            self.env[model].sudo().search_count(known, limit=1) for model in ("mrp.routing.workcenter", "mrp.bom")
        )

    def _order_of_program(self, word):
        """Return ``(candidates, explanation, waiting)``: the open orders here that use a program.

        :return: the candidates as ``[(production, work order)]``; what to say of the one that is chosen; the Waiting to
            raise where there is none
        """
        _ = self.env._
        said, detail = same(word), f"program:{word}"
        known = Domain("machine_program", "!=", False) & Domain("company_id", "in", [self.company_id.id, False])
        # sudo: as for orders
        operations, boms = (
            self.env[model]
            .sudo()
            .search_fetch(known, ["machine_program"])
            .filtered(lambda record: said in programs_of(record.machine_program))
            for model in ("mrp.routing.workcenter", "mrp.bom")
        )
        if not operations and not boms:
            why = _("No operation and no bill of materials names the program «%s».", word)
            return [], "", Waiting("unknown_program", why, detail=detail)
        here = self._open_steps().filtered(lambda step: step.production_id.state != "draft")
        by_step = here.filtered(lambda step: step.operation_id in operations)
        candidates = [(step.production_id, step) for step in by_step]
        explanation = _("The machine runs the program «%s», that of its operation.", word)
        if not candidates:
            explanation = _("The machine runs the program «%s», that of its bill of materials.", word)
            candidates = [(step.production_id, step) for step in here if step.production_id.bom_id in boms]
            plain = self._orders().search(
                [
                    ("company_id", "=", self.company_id.id),
                    ("bom_id", "in", boms.ids),
                    ("state", "in", ("confirmed", "progress", "to_close")),
                    ("workorder_ids", "=", False),
                ]
            )
            candidates += [(production, self.env["mrp.workorder"]) for production in plain]
        why = _(
            "No open order on %(here)s uses the program «%(program)s».",
            here=self.workcenter_id.name or self.name,
            program=word,
        )
        return candidates, explanation, Waiting("unknown_program", why, detail=detail)


class MachineProgramMixin(models.AbstractModel):
    """What a machine makes by a program of its own: events that waited for the program's name are tried again."""

    _name = "mrp.machine.program.mixin"
    _description = "Made by a Program of a Machine"

    machine_program = fields.Char(help=PROGRAM_HELP)

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records.filtered("machine_program")._programs_named()
        return records

    def write(self, vals):
        result = super().write(vals)
        if vals.get("machine_program"):
            self._programs_named()
        return result

    def _programs_named(self):
        self.env["mrp.machine.event.posting"]._requeue_words(programs=self.mapped("machine_program"))


class RoutingWorkcenter(models.Model):
    _name = "mrp.routing.workcenter"
    _inherit = ["mrp.routing.workcenter", "mrp.machine.program.mixin"]


class Bom(models.Model):
    _name = "mrp.bom"
    _inherit = ["mrp.bom", "mrp.machine.program.mixin"]


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        productions = super().create(vals_list)
        # Backorders begin their life confirmed.
        productions.filtered(lambda production: production.state != "draft")._words_known()
        return productions

    def write(self, vals):
        result = super().write(vals)
        if {"name", "origin"} & vals.keys():
            self._words_known()
        return result

    def action_confirm(self):
        result = super().action_confirm()
        self._words_known()
        return result

    def _words_known(self):
        """Let machines that said something about these orders, before they were there or confirmed, say it again."""
        # sudo: whoever confirms an order, or only lets it be made, need not be allowed to read all of it
        orders = self.sudo()
        operations = orders.workorder_ids.operation_id
        self.env["mrp.machine.event.posting"]._requeue_words(
            orders=orders,
            programs=[*orders.bom_id.mapped("machine_program"), *operations.mapped("machine_program")],
        )


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _requeue_words(self, orders=None, programs=()):
        """Put back to work what waited for the meaning of a machine's word for its order or its program.

        :param orders: mrp.production that there are now, or that are called otherwise now
        :param programs: texts of programs that something names now
        """
        # sudo: whoever confirms an order need not be allowed to touch effects, which are the poster's matter
        rows = self.sudo()
        domain = Domain("state", "=", "waiting") & Domain("reason", "in", UNKNOWN)
        if orders is not None and len(orders.company_id) == 1:
            domain &= Domain("company_id", "=", orders.company_id.id)
        details = [detail for (detail,) in rows._read_group(domain & Domain("detail", "!=", False), ["detail"])]
        if not details:
            return
        known = {("program", program) for text in programs for program in programs_of(text)}
        for order in orders or ():
            texts = [order.name, re.sub(r"-\d+$", "", order.name or ""), order.origin]
            texts += [*order.workorder_ids.mapped("name"), *order.workorder_ids.mapped("barcode")]
            known |= {("order", same(text)) for text in texts if text}
        mine = [detail for detail in details if (detail.partition(":")[0], same(detail.partition(":")[2])) in known]
        if mine:
            rows.search(domain & Domain("detail", "in", mine))._requeue()


def _escaped(text):
    """Return a text for a search by pattern in which nothing of it is one."""
    return re.sub(r"([\\%_])", r"\\\1", text)
