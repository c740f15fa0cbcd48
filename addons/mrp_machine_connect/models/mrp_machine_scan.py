"""What does a code mean that was scanned at a machine? An order, a lot, a component, or a person's badge."""

import re
from datetime import timedelta, timezone
from typing import NamedTuple

from odoo import api, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..machine_connect import clock, gs1
from ..machine_connect.event import Event
from ..machine_connect.state import same
from ..postings.outcome import Held, Ignored, Outcome, Waiting
from .mrp_machine_order_reference import NAMED

#: A lot may be scanned so long before the order that it is for.
AHEAD = timedelta(minutes=15)
#: What of a scan waits until something is there that is called so.
UNKNOWN_SCAN = ("unknown_scan", "unknown_product", "scan_ambiguous")
#: The handlers of scans.
HANDLERS = ("scan", "scan_context")
#: The form of a lot or serial number in GS1: up to 20 characters of its set 82.
LOT_FORM = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]{1,20}\Z")
#: Application identifiers that name a person (GSRN), a product, and its lot or serial number.
PEOPLE, PRODUCTS, LOTS = ("8018", "8017"), ("01", "02", "03"), ("10", "21")


class Meaning(NamedTuple):
    """What a scan means.

    :param str kind: ``order``, ``operator``, ``lot`` of the finished product, or ``material``: a component
    :param str name: of the lot or the person
    :param production: the order, with its work order where the scan names one
    :param moment: from when on, naive UTC
    :param product: the component
    :param lot: the component's stock.lot
    :param float quantity: of the component, in its own unit; 0 where nobody said
    :param user: the res.users that the person is
    :param str explanation: why, in a sentence
    """

    kind: str
    name: str = ""
    production: object = None
    workorder: object = None
    moment: object = None
    product: object = None
    lot: object = None
    quantity: float = 0.0
    user: object = None
    explanation: str = ""


class Machine(models.Model):
    _inherit = "mrp.machine"  # pylint: disable=consider-merging-classes-inherited; one question a file

    # What a person does

    def action_scan(self, code):
        """Keep what a person scanned at this machine, and say what it means.

        :param str code: as the scanner typed it
        :return: ``{"message", "is_known"}``
        :raise UserError: it says that it is GS1 and cannot be read; nothing is kept
        """
        event = self._scan(code)
        machine = self.env["mrp.machine.poster"]._service(self.sudo())  # sudo: as the event will be looked at
        try:
            meaning = machine._scan_meaning(event.with_env(machine.env))
        except Outcome as outcome:
            return {"message": outcome.message, "is_known": False}
        return {"message": machine.with_context(lang=self.env.lang)._scan_words(meaning), "is_known": True}

    def _scan(self, code, at=None):
        """Keep a scan in the log, like any other event.

        :param str code: as the scanner typed it
        :param at: when it was scanned, naive UTC; now when not given
        :return: the event
        :raise UserError: the user is no operator, nothing was scanned, or it says that it is GS1 and cannot be read
        """
        self.ensure_one()
        if not self.env.su and not self.env.user.has_group("mrp_machine_connect.group_operator"):
            raise UserError(self.env._("Only an operator of the machines may scan at them."))
        self.check_access("read")
        value = self._scan_typed(code)
        if not value:
            raise UserError(self.env._("Nothing was scanned."))
        try:
            elements = gs1.elements(value)
        except gs1.Gs1Invalid as error:
            raise UserError(self._gs1_words(error)) from None
        now = clock.now()
        data = {"value": value, "who": self.env.user.login, "entered": now.isoformat()}
        if elements:
            data["elements"] = elements
        occurred = at.replace(tzinfo=timezone.utc) if at else now
        event = Event(type="identity.scan", occurred=occurred, recorded=now, data=data)
        # sudo: the log is written by no one directly; that this user may scan was checked above
        machine = self.sudo()
        received = machine.env["mrp.machine.event"]._receive(
            machine.env.ref("mrp_machine_connect.source_people"),
            [(machine, machine._people_stream(), {}, machine.mapping_version, [event])],
            user=self.env.user,
        )
        machine.env["mrp.machine.poster"]._wake()
        return received

    def _scan_typed(self, code):
        """Return a scanned code as it is kept: what a keyboard made of FNC1, as Odoo's GS1 nomenclature knows it, undone."""
        value = str(code or "").replace("\0", "").strip(" \t\r\n")[:1024]
        if value.startswith(gs1.SYMBOLOGIES):
            # sudo: how a plant's scanners type is no secret
            nomenclature = self.env.ref(
                "barcodes_gs1_nomenclature.default_gs1_nomenclature", raise_if_not_found=False
            ).sudo()
            separator = nomenclature and nomenclature.gs1_separator_fnc1
            if separator:
                value = value[:3] + re.sub(separator, gs1.FNC1, value[3:])
        return value

    def _gs1_words(self, error):
        """Return why a GS1 code cannot be read, and what to do."""
        _ = self.env._
        known = gs1.identifiers().get(error.identifier)
        words = {"identifier": error.identifier, "title": known.title if known else "", "value": error.value}
        match error.code:
            case "check_digit":
                return _("(%(identifier)s) %(title)s: the check digit of «%(value)s» is wrong. Scan it again.", **words)
            case "too_short" if error.identifier:
                return _("(%(identifier)s) %(title)s: «%(value)s» is too short. Scan it again.", **words)
            case "too_long":
                return _(
                    "(%(identifier)s) %(title)s: «%(value)s» is too long. Where the scanner leaves out the separator FNC1, set "
                    "it up to send the character GS.",
                    **words,
                )
            case "date":
                return _("(%(identifier)s) %(title)s: «%(value)s» is no date. Scan it again.", **words)
            case "unknown_identifier":
                return _(
                    "«%s» begins with no application identifier of GS1. Scan it again.", error.value or error.identifier
                )
            case "twice":
                return _("(%(identifier)s) %(title)s stands there twice, with different values.", **words)
            case _other:
                return _("The label says that it is GS1, and «%s» cannot be read. Scan it again.", error.value)

    def _scan_words(self, meaning):
        """Return in a sentence what a scan does."""
        _ = self.env._
        words = {"machine": self.name, "name": meaning.name}
        match meaning.kind:
            case "order":
                order = meaning.workorder or meaning.production
                return _("%(order)s loaded on %(machine)s", order=order.display_name, **words)
            case "operator":
                return _("%(name)s logged on at %(machine)s", **words)
            case "lot":
                return _(
                    "%(product)s is made as lot %(name)s on %(order)s",
                    product=meaning.production.product_id.display_name,
                    order=meaning.production.display_name,
                    **words,
                )
            case _material:
                words.update(product=meaning.product.display_name, order=meaning.production.display_name)
                return _("%(product)s, lot %(name)s, loaded for %(order)s", **words)

    # What it means

    def _scan_meaning(self, event):
        """Return the :class:`Meaning` of a scan at this machine.

        :param event: an ``identity.scan``
        :raise Held: it says that it is GS1 and cannot be read
        :raise Waiting: nothing is called so, or it is not certain what is meant
        :raise Ignored: nothing follows from it
        """
        self.ensure_one()
        data = event.data or {}
        value = str(data.get("value") or "")
        try:
            # What a sender read itself counts where the code alone does not say it.
            found = gs1.elements(value) or gs1.checked(data.get("elements"))
        except gs1.Gs1Invalid as error:
            raise Held("scan_unreadable", self._gs1_words(error)) from None
        if not found:
            return self._meaning_of_word(event, gs1.plain(value))
        for digits in PEOPLE:
            if digits in found:
                name, user = self._person(found[digits])
                return Meaning("operator", name=name or found[digits], user=user)
        gtin = next((found[digits] for digits in PRODUCTS if digits in found), "")
        name = next((str(found[digits]) for digits in LOTS if digits in found), "")
        if gtin:
            return self._meaning_of_product(event, str(gtin), name, found)
        if name:
            return self._meaning_of_lot(event, name, found)
        raise self._unknown_scan(value)

    def _unknown_scan(self, value):
        return Waiting(
            "unknown_scan",
            self.env._(
                "«%(value)s» was scanned at %(machine)s, and no order, lot, component or badge is called so.",
                value=value.replace(gs1.FNC1, "·"),
                machine=self.name,
            ),
            detail=f"scan:{value}",
        )

    def _scan_orders(self, event):
        """Return ``[(order, from when on)]`` that a scan may be about: the one of its moment, and one loaded soon after.

        A person scans the lot, then the order, or the other way round.
        """
        orders, found = [], self._orders_at(event)[event.id]
        if isinstance(found, tuple):
            orders.append((found[0], event.occurred))
        loadings = self.env["mrp.machine.loading"]
        start = loadings._next_start(self, event.occurred)
        if start and start - event.occurred <= AHEAD:
            orders.append((loadings._at(self, start).production_id, start))
        return [(order, moment) for order, moment in orders if order]

    def _scan_order(self, event):
        """Return what :meth:`_scan_orders` does.

        :raise Waiting: there is none
        """
        if orders := self._scan_orders(event):
            return orders
        found = self._orders_at(event)[event.id]
        raise Waiting(found.reason, self.env._("It was scanned, but for which order? %s", found.message))

    def _meaning_of_word(self, event, word):
        """Return the :class:`Meaning` of a code that is a plain name."""
        name, user = self._person(word)
        if name:
            return Meaning("operator", name=name, user=user)
        try:
            production, workorder, explanation = self._order_of_word(word)
        except Waiting as waiting:
            if waiting.reason != "unknown_order":
                raise
        else:
            self._check_told(production, workorder, {}, word)
            workorder = workorder or self._step_here(production, None, word)
            return Meaning("order", production=production, workorder=workorder, explanation=explanation)
        try:
            return self._meaning_of_lot(event, word, {})
        except Waiting as waiting:
            product = self._product_of_barcode(word)
            if not product:
                raise
            meaning = self._meaning_for(event, product, "", {})
            if not meaning:
                raise waiting
            return meaning

    def _meaning_of_product(self, event, gtin, name, found):
        """Return the :class:`Meaning` of a label that names a product by its GTIN."""
        product = self._product_of_gtin(gtin)
        if not product:
            raise Waiting(
                "unknown_product",
                self.env._("The label names the GTIN %s, and no product has that barcode.", gtin),
                detail=f"scan:{gtin}",
            )
        meaning = self._meaning_for(event, product, name, found)
        if meaning:
            return meaning
        raise Waiting(
            "not_in_order",
            self.env._(
                "%(product)s was scanned, which %(order)s neither makes nor uses.",
                product=product.display_name,
                order=self._scan_order(event)[0][0].display_name,
            ),
        )

    def _product_of_gtin(self, gtin):
        """Return the product with a GTIN as its barcode or as that of one of its packagings, in whatever length."""
        bare = gtin.lstrip("0")
        return self._product_of_barcode(
            gtin, *(bare.zfill(length) for length in (8, 12, 13, 14) if len(bare) <= length)
        )

    def _product_of_barcode(self, *codes):
        """Return the product that one of these is the barcode of, or that of one of its packagings."""
        mine = Domain("barcode", "in", sorted(set(codes))) & Domain("company_id", "in", [False, self.company_id.id])
        # sudo: as for orders
        products = self.env["product.product"].sudo().with_context(skip_preprocess_gs1=True)
        found = products.search(mine, limit=1)
        return found or self.env["product.uom"].sudo().search(mine, limit=1).product_id

    def _meaning_of_lot(self, event, name, found):
        """Return the :class:`Meaning` of a lot or serial number whose product nobody said."""
        # sudo: as for orders
        lots = (
            self.env["stock.lot"]
            .sudo()
            .search([("name", "=", name), ("company_id", "in", [False, self.company_id.id])])
        )
        meanings = [meaning for lot in lots if (meaning := self._meaning_for(event, lot.product_id, name, found))]
        if len(meanings) > 1:
            raise Waiting(
                "scan_ambiguous",
                self.env._(
                    "«%(name)s» may be a lot of any of these: %(products)s.",
                    name=name,
                    products=", ".join(lots.product_id[:NAMED].mapped("display_name")),
                ),
                detail=f"scan:{name}",
            )
        if meanings:
            return meanings[0]
        for production, moment in self._scan_orders(event):
            if self._is_new_lot(production, name):
                return Meaning(
                    "lot",
                    name=name,
                    production=production,
                    workorder=self.env["mrp.workorder"],
                    moment=moment,
                    explanation=self.env._(
                        "Lots are scanned at this machine, and only its finished product is tracked."
                    ),
                )
        if lots:
            self._scan_order(event)
            raise Waiting(
                "not_in_order",
                self.env._(
                    "«%(name)s» is a lot of %(product)s, which %(order)s neither makes nor uses.",
                    name=name,
                    product=lots[0].product_id.display_name,
                    order=self._scan_order(event)[0][0].display_name,
                ),
                detail=f"scan:{name}",
            )
        raise self._unknown_scan(name)

    def _is_new_lot(self, production, name):
        """Return whether a name that nobody knows can only be a new lot of what an order makes."""
        source = self._fields.get("lot_source") and self.lot_source
        tracked = production.move_raw_ids.product_id.filtered(lambda product: product.tracking != "none")
        is_tracked = production.product_id.tracking != "none"
        return source == "scan" and is_tracked and not tracked and bool(LOT_FORM.match(name))

    def _meaning_for(self, event, product, name, found):
        """Return the :class:`Meaning` of a product, and a lot of it, for the order at a machine; None where it has none.

        :raise Waiting: there is no order, or the label lacks the lot
        :raise Ignored: the product is not tracked
        """
        _ = self.env._
        for production, moment in self._scan_order(event):
            values = {"production": production, "workorder": self.env["mrp.workorder"], "moment": moment}
            if product == production.product_id:
                if product.tracking == "none":
                    raise Ignored(
                        "not_tracked", _("%s is made here, and it is not tracked by lots.", product.display_name)
                    )
                if not name:
                    raise Waiting(
                        "scan_no_lot",
                        _("%s was scanned, and the label names no lot or serial number.", product.display_name),
                    )
                return Meaning("lot", name=name, **values)
            used = production.move_raw_ids.filtered(lambda move: move.state != "cancel").product_id
            if product not in used:
                continue
            if product.tracking == "none":
                raise Ignored("not_tracked", _("%s is used here, and it is not tracked by lots.", product.display_name))
            if not name:
                raise Waiting(
                    "scan_no_lot",
                    _("%s was scanned, and the label names no lot or serial number.", product.display_name),
                )
            # sudo: as for orders
            lot = (
                self.env["stock.lot"]
                .sudo()
                .search(
                    [
                        ("name", "=", name),
                        ("product_id", "=", product.id),
                        ("company_id", "in", [False, self.company_id.id]),
                    ],
                    limit=1,
                )
            )
            if not lot:
                raise Waiting(
                    "unknown_lot",
                    _(
                        "%(product)s has no lot «%(name)s». It is a component of %(order)s.",
                        product=product.display_name,
                        name=name,
                        order=production.display_name,
                    ),
                    detail=f"lot:{name}",
                )
            quantity = self._scan_quantity(product, found)
            product = product.with_env(self.env)
            return Meaning(
                "material", name=name, product=product, lot=lot.with_env(self.env), quantity=quantity, **values
            )
        return None

    def _scan_quantity(self, product, found):
        """Return how much a label says there is, in the product's unit; 0 where it says nothing of that."""
        quantity, code = gs1.amount(found)
        unit = self.env["uom.uom"]._of_code(code) if quantity else None
        if not unit or not unit._has_common_reference(product.uom_id):
            return 0.0
        return unit._compute_quantity(quantity, product.uom_id, rounding_method="HALF-UP")


class MachineEventPosting(models.Model):
    _inherit = "mrp.machine.event.posting"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model
    def _remedies(self):
        _ = self.env._
        return {
            **super()._remedies(),
            "unknown_scan": _(
                "Make the lot or the order, or map the code as an operator's badge: what waited is posted by itself. A scan "
                "that means nothing can be ignored."
            ),
            "unknown_product": _("Give the product that barcode: what waited is posted by itself."),
            "scan_ambiguous": _("Scan a label that names the product as well, and ignore this."),
            "scan_no_lot": _("Scan the label with the lot or serial number, and ignore this."),
            "scan_unreadable": _("Scan the code again, and ignore this."),
            "not_in_order": _("Load the order that it is for, then retry; or ignore it."),
        }

    @api.model
    def _requeue_scans(self, companies, words):
        """Put back to work scans that waited for something that is called so now.

        :param companies: the res.company where it is; empty for all
        :param words: names
        """
        # sudo: whoever makes a lot or an order need not be allowed to touch effects, which are the poster's matter
        rows = self.sudo()
        domain = Domain("state", "=", "waiting") & Domain("reason", "in", UNKNOWN_SCAN)
        if companies:
            domain &= Domain("company_id", "in", companies.ids)
        details = [detail for (detail,) in rows._read_group(domain & Domain("detail", "!=", False), ["detail"])]
        if not details:
            return
        known = {same(word) for word in words if word}
        bare = {str(word).lstrip("0") for word in words if word}
        mine = [
            detail
            for detail in details
            if same(gs1.plain(detail.removeprefix("scan:"))) in known
            or detail.removeprefix("scan:").lstrip("0") in bare
        ]
        if mine:
            rows.search(domain & Domain("detail", "in", mine))._requeue()

    @api.model
    def _requeue_scans_ahead(self, machine, start):
        """Put back to work scans that came before the order that they are for.

        :param start: when that order was loaded, naive UTC
        """
        # sudo: as above
        rows = self.sudo().search(
            Domain("machine_id", "=", machine.id)
            & Domain("handler", "in", HANDLERS)
            & Domain("state", "=", "waiting")
            & Domain("event_id.occurred", ">=", start - AHEAD)
        )
        rows._requeue()


class MachineLoading(models.Model):
    _inherit = "mrp.machine.loading"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        loadings = super().create(vals_list)
        for loading in loadings:
            self.env["mrp.machine.event.posting"]._requeue_scans_ahead(loading.machine_id, loading.date_start)
        return loadings


class StockLot(models.Model):
    _inherit = "stock.lot"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        lots = super().create(vals_list)
        self.env["mrp.machine.event.posting"]._requeue_scans(lots.company_id, lots.mapped("name"))
        return lots


class ProductProduct(models.Model):
    _inherit = "product.product"  # pylint: disable=consider-merging-classes-inherited; one question a file

    @api.model_create_multi
    def create(self, vals_list):
        products = super().create(vals_list)
        products._barcodes_known()
        return products

    def write(self, vals):
        result = super().write(vals)
        if vals.get("barcode"):
            self._barcodes_known()
        return result

    def _barcodes_known(self):
        codes = [code for code in self.mapped("barcode") if code]
        if codes:
            self.env["mrp.machine.event.posting"]._requeue_scans(self.company_id, codes)


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def _words_known(self):
        result = super()._words_known()
        # sudo: see _requeue_words
        orders = self.sudo()
        words = [*orders.mapped("name"), *orders.mapped("origin"), *orders.workorder_ids.mapped("barcode")]
        self.env["mrp.machine.event.posting"]._requeue_scans(orders.company_id, words)
        return result
