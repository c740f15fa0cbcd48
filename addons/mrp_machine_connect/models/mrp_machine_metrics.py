from odoo import api, models

from ..machine_connect.exposition import Exposition
from ..machine_connect.networks import is_within

#: Upper bounds in which answer times are counted, in milliseconds; each has its field in mrp.machine.source.figure.
BUCKETS = (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
#: What becomes of an event, and the field of mrp.machine.source.figure that counts it.
COUNTED = {"accepted": "accepted", "duplicate": "duplicates", "held": "held", "rejected": "rejected"}
#: Sources that have series of their own; what lies beyond is added up under one name.
MOST_SOURCES = 500
OTHERS = {"source_id": "", "source": "others"}
#: What is counted of events: column, name of the series, words.
COUNTERS = (
    ("events", "received", "Events that came, known and refused ones too."),
    ("duplicates", "duplicate", "Events that were known already."),
    ("held", "held", "Events that were stored and wait for a person."),
    ("rejected", "rejected", "Events that were not taken."),
)
#: How many of the latest postings are looked at, and how old they may be in seconds.
LATEST, RECENT = 1_000, 900


class MachineMetrics(models.AbstractModel):
    """The figures of the door for Prometheus: right for all workers and hosts, for they are the database's."""

    _name = "mrp.machine.metrics"
    _description = "Machine Metrics"

    @api.model
    def _is_open_to(self, address):
        """Return whether figures are told without a signature to this address."""
        setting = self.env["ir.config_parameter"].get_param("mrp_machine_connect.metrics_networks") or ""
        return is_within(address, setting)

    @api.model
    def _text(self, company=None):
        """Return all figures in Prometheus' text format.

        :param company: the res.company whose sources' figures are told; None: of all, and of whoever is nobody's source
        """
        self.env.flush_all()
        page = Exposition()
        label_of = self._labels(company)
        self._events(page, company, label_of)
        self._refused(page, company, label_of)
        self._answers(page, company)
        self._gaps(page, company, label_of)
        self._unposted(page, company)
        self._posting_time(page, company)
        return page.text()

    def _rows(self, query, company):
        """Return the rows of a query in which ``{company}`` stands for a condition on the company of ``owner``."""
        condition = "owner.company_id = %(company)s" if company else "TRUE"
        # By SQL: sums over narrow tables, each at most a few milliseconds.
        self.env.cr.execute(
            query.replace("{company}", condition), {"company": company and company.id, "most": LATEST, "recent": RECENT}
        )
        return self.env.cr.fetchall()

    def _labels(self, company):
        """Return a function from the id of a source to its labels: no more different ones than are bounded here."""
        found = self._rows(
            """SELECT owner.id, owner.name FROM mrp_machine_source owner
                WHERE owner.kind NOT IN ('poller', 'people', 'rules') AND {company} ORDER BY owner.id""",
            company,
        )
        labels = {source_id: {"source_id": source_id, "source": name} for source_id, name in found[:MOST_SOURCES]}
        return lambda source_id: labels.get(source_id, OTHERS)

    @staticmethod
    def _summed(pairs):
        """Return pairs of labels and value with the values of the same labels added up."""
        found = {}
        for labels, value in pairs:
            key = tuple(labels.items())
            found[key] = found.get(key, 0) + value
        return [(dict(key), value) for key, value in found.items()]

    def _events(self, page, company, label_of):
        columns = ", ".join(f"sum(line.{column})" for column, _name, _words in COUNTERS)
        rows = self._rows(
            f"""SELECT line.source_id, {columns}, extract(epoch FROM max(line.last)) FROM mrp_machine_source_figure line
                  JOIN mrp_machine_source owner ON owner.id = line.source_id
                 WHERE {{company}} GROUP BY line.source_id ORDER BY line.source_id""",
            company,
        )
        for place, (_column, name, words) in enumerate(COUNTERS, 1):
            samples = self._summed((label_of(row[0]), row[place]) for row in rows)
            page.family(f"machine_connect_events_{name}_total", "counter", words, samples)
        heard = [(label_of(row[0]), float(row[-1])) for row in rows if label_of(row[0]) is not OTHERS]
        page.family("machine_connect_source_heard_timestamp_seconds", "gauge", "When a source was last let in.", heard)

    def _refused(self, page, company, label_of):
        # Whoever is nobody's source is told to those alone who may see all.
        join = "JOIN" if company else "LEFT JOIN"
        rows = self._rows(
            f"""SELECT line.source_id, line.reason, sum(line.count) FROM mrp_machine_refusal line
                 {join} mrp_machine_source owner ON owner.id = line.source_id
                 WHERE {{company}} GROUP BY line.source_id, line.reason ORDER BY line.source_id, line.reason""",
            company,
        )
        known = self.env["mrp.machine.door"]._reason_words()
        samples = self._summed(
            (
                {
                    **(label_of(source_id) if source_id else {"source_id": "", "source": ""}),
                    "reason": reason if reason in known else "other",
                },
                count,
            )
            for source_id, reason, count in rows
        )
        page.family(
            "machine_connect_refused_total", "counter", "Requests and events that were refused, by reason.", samples
        )

    def _answers(self, page, company):
        columns = ", ".join(f"sum(line.answers_{bound})" for bound in BUCKETS)
        rows = self._rows(
            f"""SELECT line.action, sum(line.requests), sum(line.answer_us), {columns} FROM mrp_machine_source_figure line
                  JOIN mrp_machine_source owner ON owner.id = line.source_id
                 WHERE {{company}} GROUP BY line.action ORDER BY line.action""",
            company,
        )
        samples = [
            ({"action": action}, [*within, requests - sum(within)], int(total) / 1e6)
            for action, requests, total, *within in rows
        ]
        page.histogram(
            "machine_connect_answer_seconds",
            "Answer times of requests that were let in, inside Odoo, up to the commit.",
            [bound / 1000 for bound in BUCKETS],
            samples,
        )

    def _gaps(self, page, company, label_of):
        rows = self._rows(
            """SELECT stream.source_id, count(*) FROM mrp_machine_gap gap
                 JOIN mrp_machine_stream stream ON stream.id = gap.stream_id
                 JOIN mrp_machine_source owner ON owner.id = stream.source_id
                WHERE gap.closed IS NULL AND {company} GROUP BY stream.source_id ORDER BY stream.source_id""",
            company,
        )
        samples = self._summed((label_of(source_id), count) for source_id, count in rows)
        page.family("machine_connect_gaps_open", "gauge", "Ranges of numbers that are missing still.", samples)

    def _unposted(self, page, company):
        # The event with the lowest id came first, but for those that others stored at the same moment.
        ((waiting, age),) = self._rows(
            """SELECT found.count,
                      (SELECT extract(epoch FROM clock_timestamp()) - received_us / 1e6 FROM mrp_machine_event
                        WHERE id = found.oldest)
                 FROM (SELECT count(*) AS count, min(line.event_id) AS oldest FROM mrp_machine_queue line
                         JOIN mrp_machine owner ON owner.id = line.machine_id WHERE {company}) found""",
            company,
        )
        page.family("machine_connect_events_unposted", "gauge", "Events whose effects are due.", [({}, waiting)])
        page.family(
            "machine_connect_oldest_unposted_age_seconds",
            "gauge",
            "For how long the oldest of them has been here; 0 where there is none.",
            [({}, max(0.0, float(age or 0)))],
        )
        rows = self._rows(
            """SELECT owner.state, count(*) FROM mrp_machine_event_posting owner
                WHERE owner.state IN ('waiting', 'held', 'failed') AND {company} GROUP BY owner.state""",
            company,
        )
        counts = dict(rows)
        page.family(
            "machine_connect_exceptions",
            "gauge",
            "Effects that a person must look at.",
            [({"state": state}, counts.get(state, 0)) for state in ("waiting", "held", "failed")],
        )

    def _posting_time(self, page, company):
        rows = self._rows(
            """SELECT percentile_cont(ARRAY[0.5, 0.95, 1]) WITHIN GROUP (ORDER BY seconds), count(*) FROM (
                   SELECT extract(epoch FROM owner.create_date) - event.received_us / 1e6 AS seconds
                     FROM (SELECT * FROM mrp_machine_posting owner WHERE {company} ORDER BY id DESC LIMIT %(most)s) owner
                     JOIN mrp_machine_event_posting line ON line.posting_id = owner.id
                     JOIN mrp_machine_event event ON event.id = line.event_id
                    WHERE owner.create_date > (now() AT TIME ZONE 'UTC') - %(recent)s * interval '1 second') found""",
            company,
        )
        ((quantiles, count),) = rows
        samples = [
            ({"quantile": name}, float(seconds))
            for name, seconds in zip(("0.5", "0.95", "1"), quantiles or (), strict=bool(quantiles))
        ]
        page.family(
            "machine_connect_posting_seconds",
            "gauge",
            "From receipt to effect, of the events posted in the last 15 minutes (by the last 1,000 postings).",
            samples,
        )
        page.family("machine_connect_posting_recent", "gauge", "How many events that is.", [({}, count)])
