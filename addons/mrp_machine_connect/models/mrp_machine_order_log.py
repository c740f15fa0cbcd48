"""All that machines said and did about an order, as one file for an auditor: the log as received, and what it became."""

import csv
import hashlib
import io
import json
import tempfile
import zipfile
from collections import Counter, defaultdict

from odoo import api, models
from odoo.exceptions import AccessError
from odoo.tools import float_compare, html2plaintext, split_every

from ..machine_connect.timestamps import timestamp
from ..moments import microseconds_of, timestamp_of
from ..quantities import number_text
from .mrp_machine_event import OUTCOMES
from .mrp_machine_explanation import counter_span
from .mrp_machine_order_log_columns import (
    CHANGE_COLUMNS,
    CORRECTION_COLUMNS,
    COUNT_COLUMNS,
    DOCUMENT_COLUMNS,
    EFFECT_COLUMNS,
    EFFECT_SQL,
    EVENT_COLUMNS,
    EVENT_SQL,
    LOADING_COLUMNS,
    MAPPING_COLUMNS,
    POSTING_COLUMNS,
)
from .mrp_machine_order_log_page import OrderLogPage

#: Of the form of the file; an auditor's own programs read it by this.
VERSION = 1
#: So many rows are read at once, so that the memory does not grow with the order.
BATCH = 2000
#: What a spreadsheet would take for a formula (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
#: The same moment in each file, so that the same facts make the same bytes: the first that a zip archive knows.
FIRST_DATE = (1980, 1, 1, 0, 0, 0)
#: The largest moment that there is, for what has not ended.
LAST = 2**63 - 1
GROUP = "mrp_machine_connect.group_supervisor"


class MachineOrderLog(models.AbstractModel):
    """Makes the file: a zip of tables (CSV), a page for people (HTML), and a manifest with the digest of each (JSON)."""

    _name = "mrp.machine.order.log"
    _description = "Machine Log of an Order"

    @api.model
    def _open(self, production):
        """Return the file of an order, open for reading from its beginning, and its name.

        The same facts make the same bytes. The memory it takes does not grow with the number of events.

        :raise AccessError: the user is no supervisor of the machines, or may not read the order
        """
        production.ensure_one()
        if not self.env.su and not self.env.user.has_group(GROUP):
            raise AccessError(
                self.env._("Only a supervisor of the machines may export what machines said on an order.")
            )
        production.check_access("read")
        # Spooled on disk: 100,000 events are some 100 MB before they are packed.
        file = tempfile.TemporaryFile()
        try:
            # sudo: whoever answers for the machines gives an auditor all of the order, not only what is on their screens;
            # the access to the order itself was checked, and nothing of another company is read
            _Log(production.sudo(), file).fill()
        except BaseException:
            file.close()
            raise
        file.seek(0)
        return file, f"machine-log-{_file_name(production.name)}.zip"


class _Log:
    """The file of one order while it is written.

    :param production: the order, as the superuser sees it
    :param file: a binary file
    """

    def __init__(self, production, file):
        self.production, self.env = production, production.env
        self.archive = zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED)
        self.files = {}
        self.outcomes = Counter()
        self.not_reproduced = 0
        self.posting_ids, self.loadings = self._posting_ids(), self._loadings()
        self.event_ids = self._event_ids()
        #: By posting: the pieces of its events and how many these are, and what was counted before and after it.
        self.event_pieces, self.event_counts, self.totals = defaultdict(float), Counter(), {}
        #: By machine and work order: good pieces by the postings, and by their events.
        self.booked, self.said = defaultdict(float), defaultdict(float)
        self.versions = set()

    def fill(self):
        """Write all of it; the manifest comes last, with the digest of each other file."""
        with self.archive:
            self._table("events.csv", EVENT_COLUMNS, self._event_rows())
            self._table("effects.csv", EFFECT_COLUMNS, self._effect_rows())
            self._table("postings.csv", POSTING_COLUMNS, self._posting_rows())
            corrections = list(self._correction_rows())
            self._table("corrections.csv", CORRECTION_COLUMNS, corrections)
            self._table("documents.csv", DOCUMENT_COLUMNS, self._document_rows())
            self._table("changes.csv", CHANGE_COLUMNS, self._change_rows())
            self._table("loadings.csv", LOADING_COLUMNS, self._loading_rows())
            self._table("counts.csv", COUNT_COLUMNS, self._count_rows())
            self._table("mapping_versions.csv", MAPPING_COLUMNS, self._mapping_rows())
            page = OrderLogPage(self, corrections).text()
            self._member("report.html", lambda text: text.write(page))
            manifest = {
                "version": VERSION,
                "order": self.production.name,
                "order_id": self.production.id,
                "company": self.production.company_id.name,
                "database": self.env["ir.config_parameter"].get_param("database.uuid") or "",
                "events": len(self.event_ids),
                "postings": len(self.posting_ids),
                "digests_not_reproduced": self.not_reproduced,
                "files": {name: self.files[name] for name in sorted(self.files)},
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False, sort_keys=True)
            self._member("manifest.json", lambda file: file.write(text + "\n"))

    # What belongs to the order

    def _posting_ids(self):
        """Return the ids of what was booked on the order and its work orders, in the order in which it was."""
        order = self.production
        booked = self.env["mrp.machine.posting"]._search(
            [
                ("company_id", "in", (order.company_id.id, False)),
                "|",
                ("production_id", "=", order.id),
                ("workorder_id", "in", order.workorder_ids.ids),
            ],
            order="id",
        )
        return list(booked)

    def _loadings(self):
        return self.env["mrp.machine.loading"].search(
            [("production_id", "=", self.production.id)], order="date_start, id"
        )

    def _event_ids(self):
        """Return the ids of what was booked on the order and of all else that was said while it was loaded, by their time."""
        self.env.flush_all()
        # By SQL: the ids of 100,000 events are all that is kept of them. A statement for each table by itself is quick also
        # where PostgreSQL does not know yet how much was stored.
        found = set(
            self._column("SELECT event_id FROM mrp_machine_event_posting WHERE posting_id = ANY(%s)", self.posting_ids)
        )
        order = self.production.id
        found.update(
            self._column(
                "SELECT event_id FROM mrp_machine_interval WHERE production_id = %s AND event_id IS NOT NULL", order
            )
        )
        for loading in self.loadings:
            ends = microseconds_of(loading.date_end) if loading.date_end else LAST
            found.update(
                self._column(
                    "SELECT id FROM mrp_machine_event WHERE machine_id = %s AND occurred_us >= %s AND occurred_us < %s",
                    loading.machine_id.id,
                    microseconds_of(loading.date_start),
                    ends,
                )
            )
        return self._column(
            "SELECT id FROM mrp_machine_event WHERE id = ANY(%s) AND company_id = %s ORDER BY occurred_us, id",
            sorted(found),
            self.production.company_id.id,
        )

    def _column(self, statement, *parameters):
        """Return the first column of what a statement finds."""
        self.env.cr.execute(statement, parameters)
        return [row[0] for row in self.env.cr.fetchall()]

    def _batches(self):
        """Yield the events, some at a time; what was read of them is forgotten before the next."""
        for ids in split_every(BATCH, self.event_ids):
            events = self.env["mrp.machine.event"].browse(ids)
            yield events
            self.env["mrp.machine.event.posting"].invalidate_model(flush=False)
            events.invalidate_recordset(flush=False)

    # The tables

    def _event_rows(self):
        for events in self._batches():
            # By SQL: field by field, the ORM takes five times as long for 100,000 events. What an event means it says itself.
            self.env.cr.execute(EVENT_SQL, {"ids": events.ids})
            for row in self.env.cr.dictfetchall():
                event = events.browse(row["id"]).with_prefetch(events.ids)
                before, after = counter_span(event)
                content = json.dumps(event.data or {}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
                same = row["digest"] in _digests(row, content)
                self.not_reproduced += not same
                if row["mapping_version"]:
                    self.versions.add((row["machine_id"], row["mapping_version"]))
                yield (
                    row["id"],
                    timestamp(row["occurred_us"]),
                    timestamp(row["recorded_us"]) if row["recorded_us"] else "",
                    timestamp(row["received_us"]),
                    *(row[name] for name in EVENT_COLUMNS[4:20]),
                    number_text(before),
                    number_text(after),
                    next((state for state in OUTCOMES if state in (row["states"] or ())), "received"),
                    event.summary,
                    content,
                    _json(row["rules"]),
                    _json(row["attributes"]),
                    row["digest"],
                    "same" if same else "not reproduced",
                )

    def _effect_rows(self):
        for events in self._batches():
            # By SQL: see _event_rows
            self.env.cr.execute(EFFECT_SQL, {"ids": events.ids})
            place = {number: index for index, number in enumerate(events.ids)}
            effects = sorted(self.env.cr.dictfetchall(), key=lambda row: place[row["event_id"]])
            records = self.env["mrp.machine.event.posting"].browse([row["id"] for row in effects])
            for row, record in zip(effects, records, strict=True):
                pieces = record._pieces() if row["quantity"] else 0.0
                self.outcomes[row["handler"], row["state"]] += 1
                if row["posting_id"]:
                    self.event_pieces[row["posting_id"]] += pieces
                    self.event_counts[row["posting_id"]] += 1
                yield (
                    *(row[name] for name in EFFECT_COLUMNS[:8]),
                    pieces if row["quantity"] else "",
                    row["posting_id"],
                    timestamp_of(row["create_date"]),
                    timestamp_of(row["write_date"]),
                )

    def _posting_rows(self):
        running = defaultdict(float)
        for ids in split_every(BATCH, self.posting_ids):
            postings = self.env["mrp.machine.posting"].browse(ids)
            names = self._document_names(postings)
            for posting in postings:
                key = posting.machine_id.id, posting.workorder_id.id
                before = running[key, posting.kind]
                running[key, posting.kind] = after = before + posting.quantity
                self.totals[posting.id] = before, after
                if posting.kind == "good":
                    self.booked[key] += posting.quantity
                    self.said[key] += self.event_pieces[posting.id]
                yield (
                    posting.id,
                    timestamp_of(posting.create_date),
                    posting.machine_id.code,
                    posting.handler,
                    posting.kind or "",
                    posting.quantity if posting.kind else "",
                    before if posting.kind else "",
                    after if posting.kind else "",
                    posting.duration or "",
                    timestamp_of(posting.occurred_from),
                    timestamp_of(posting.occurred_to),
                    posting.workorder_id.display_name or "",
                    posting.res_model or "",
                    posting.res_id or "",
                    names.get((posting.res_model, posting.res_id), ""),
                    posting.quantity_before if posting.kind else "",
                    posting.quantity_after if posting.kind else "",
                    "yes" if posting.is_late else "",
                    posting.corrected_words or "",
                    posting.summary or "",
                    posting.explanation or "",
                    self.event_counts[posting.id],
                    self.event_pieces[posting.id] if posting.kind else "",
                    self._adds_up(posting),
                )
            postings.invalidate_recordset(flush=False)

    def _document_names(self, postings):
        """Return ``{(model, id): name}`` of the documents of postings that are still there."""
        numbers = defaultdict(list)
        for posting in postings:
            if posting.res_model and posting.res_model in self.env:
                numbers[posting.res_model].append(posting.res_id)
        return {
            (model, document.id): document.display_name
            for model, ids in numbers.items()
            for document in self.env[model].browse(ids).exists()
        }

    def _adds_up(self, posting):
        """Return whether the pieces of a posting are those of its events; nothing where it is not about pieces."""
        if not posting.kind:
            return ""
        return "no" if float_compare(self.event_pieces[posting.id], posting.quantity, precision_digits=3) else "yes"

    def _correction_rows(self):
        """Yield who corrected what, why, and what stood there before and after."""
        events = self.env["mrp.machine.event"]
        for correction in events.search(
            [("id", "in", self.event_ids), ("type", "=", "correction.adjust")], order="occurred_us, id"
        ):
            data = correction.data or {}
            first = events
            if correction.correlation:
                first = events.search(
                    [("machine_id", "=", correction.machine_id.id), ("uid", "=", correction.correlation)], limit=1
                )
            rows = correction.posting_ids.filtered(lambda row: row.handler == "production_count")
            before, after = self.totals.get(rows.posting_id[:1].id, ("", ""))
            yield (
                correction.id,
                timestamp(correction.occurred_us),
                timestamp(correction.received_us),
                correction.user_id.login or data.get("who") or "",
                correction.user_id.name or "",
                data.get("why") or "",
                data.get("kind") or "",
                data.get("delta"),
                correction.correlation or "",
                first.id or "",
                first.summary or "",
                rows[:1].state or "received",
                rows.posting_id[:1].id or "",
                before,
                after,
            )

    def _document_rows(self):
        """Yield the documents as they stand: the order, its work orders, moves, scraps and time."""
        order = self.production
        unit = order.product_uom_id.name
        yield self._document(order, order.state, order.qty_producing, unit, order.date_start, order.date_finished)
        for step in order.workorder_ids.sorted("id"):
            yield self._document(step, step.state, step.qty_produced, unit, step.date_start, step.date_finished)
        scraps = self.env["stock.scrap"].search([("production_id", "=", order.id)], order="id")
        moves = (order.move_raw_ids | order.move_finished_ids | scraps.move_ids).sorted("id")
        for move in moves:
            yield self._document(
                move, move.state, move.quantity, move.product_uom.name, move.date, move.date, move.machine_posting_id.id
            )
        for scrap in scraps:
            moment = scrap.date_done or scrap.create_date
            yield self._document(scrap, scrap.state, scrap.scrap_qty, scrap.product_uom_id.name, moment, moment)
        for line in order.workorder_ids.time_ids.sorted("id"):
            yield self._document(
                line, line.loss_id.name, line.duration, self.env._("minutes"), line.date_start, line.date_end
            )

    def _document(self, record, state, quantity, unit, start, end, posting_id=None):
        product = record.product_id.display_name if "product_id" in record._fields else ""
        name = record.display_name
        return (
            record._name,
            record.id,
            name,
            product or "",
            state or "",
            quantity,
            unit or "",
            timestamp_of(start),
            timestamp_of(end),
            posting_id or "",
            record.create_uid.login or "",
            timestamp_of(record.create_date),
        )

    def _change_rows(self):
        """Yield what was noted on the order: who changed which field, from what to what."""
        messages = self.env["mail.message"].search(
            [("model", "=", "mrp.production"), ("res_id", "=", self.production.id)], order="id"
        )
        for message in messages:
            who = message.author_id.name or message.email_from or ""
            when, words = timestamp_of(message.date), html2plaintext(message.body or "").strip()
            changes = message.tracking_value_ids.sorted("id")
            if not changes:
                yield (message.id, when, who, "", "", "", words)
            for change in changes:
                name = change.field_id.name or (change.field_info or {}).get("name") or ""
                yield (message.id, when, who, name, _tracked(change, "old"), _tracked(change, "new"), words)

    def _loading_rows(self):
        for loading in self.loadings:
            yield (
                loading.id,
                loading.machine_id.code,
                loading.workorder_id.display_name or "",
                timestamp_of(loading.date_start),
                timestamp_of(loading.date_end),
                loading.user_id.login or "",
                timestamp_of(loading.create_date),
            )

    def ledgers(self):
        return self.env["mrp.machine.ledger"].search([("production_id", "=", self.production.id)], order="id")

    def _count_rows(self):
        for row in self.ledgers():
            yield (
                row.machine_id.code,
                row.workorder_id.display_name or "",
                *(
                    row[name]
                    for name in ("good", "reject", "rework", "total", "cycle", "adjusted", "posted", "by_hand")
                ),
                row.last_written,
            )

    def _mapping_rows(self):
        found = self.env["mrp.machine.mapping.version"].search(
            [("machine_id", "in", [machine for machine, _version in self.versions])], order="machine_id, version, id"
        )
        for version in found:
            if (version.machine_id.id, version.version) in self.versions:
                yield (
                    version.machine_id.code,
                    version.version,
                    timestamp_of(version.date),
                    version.user_id.login or "",
                    version.changes or "",
                    _json(version.snapshot),
                )

    # Writing

    def _table(self, name, columns, rows):
        def write(text):
            table = csv.writer(text, lineterminator="\r\n")  # RFC 4180
            table.writerow(columns)
            count = 0
            for row in rows:
                table.writerow([_cell(value) for value in row])
                count += 1
            return count

        self._member(name, write)

    def _member(self, name, write):
        """Add a file to the archive and note its digest; ``write`` may return how many rows it has."""
        information = zipfile.ZipInfo(name, FIRST_DATE)
        information.compress_type = zipfile.ZIP_DEFLATED
        information.external_attr = 0o644 << 16
        with self.archive.open(information, "w", force_zip64=True) as member:
            digesting = _Digesting(member)
            text = io.TextIOWrapper(digesting, "utf-8", newline="")
            count = write(text)
            text.flush()
            text.detach()
        self.files[name] = {"sha256": digesting.digest.hexdigest(), "bytes": digesting.size}
        if name.endswith(".csv"):
            self.files[name]["rows"] = count


class _Digesting(io.RawIOBase):
    """A file that hands on what is written to it, and keeps the digest of it."""

    def __init__(self, file):
        super().__init__()
        self.file, self.digest, self.size = file, hashlib.sha256(), 0

    def writable(self):
        return True

    def write(self, data):  # pylint: disable=method-required-super; the file behind it is written instead
        self.digest.update(data)
        self.size += len(data)
        self.file.write(data)
        return len(data)


def _digests(row, content):
    """Return the digests that an event of this content can have had on arrival: one of Odoo's own, one delivered."""
    own = f"{row['type']}\n{row['occurred_us']}\n{content}"
    delivered = f"{row['type']}\n{row['type_version']}\n{row['occurred_us']}\n{row['quality'] or ''}\n{content}"
    said = (own, f"{delivered}\n{row['machine']}")
    return {hashlib.sha256(text.encode()).hexdigest() for text in said}


def _cell(value):
    """Return a value as a cell of CSV; text that a spreadsheet would work out as a formula is made plain text."""
    if value is None or value is False:
        return ""
    if isinstance(value, float):
        return number_text(round(value, 6))
    text = str(value)
    if isinstance(value, str) and text.startswith(FORMULA):
        return f"'{text}"
    return text


def _json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if value else ""


def _tracked(change, side):
    """Return what a tracked field was (``old``) or became (``new``)."""
    for kind in ("char", "text", "datetime", "float", "integer"):
        value = change[f"{side}_value_{kind}"]
        if value:
            return timestamp_of(value) if kind == "datetime" else value
    return ""


def _file_name(name):
    """Return the name of an order as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name)


class MrpProduction(models.Model):
    _inherit = "mrp.production"  # pylint: disable=consider-merging-classes-inherited; one question a file

    def action_machine_log(self):
        """Download all that machines said and booked on this order, as one file."""
        self.ensure_one()
        return {"type": "ir.actions.act_url", "url": f"/machine/orders/{self.id}/log", "target": "download"}
