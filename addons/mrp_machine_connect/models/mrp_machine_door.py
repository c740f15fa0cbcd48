import base64
import hmac
import os
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import config

from ..machine_connect import clock, signature
from .mrp_machine_pressure import RefusalMemory

#: What a source may ask for: deliver events, say that it is alive, read its configuration, read what became of an event,
#: read figures.
ACTIONS = ("deliver", "heartbeat", "config", "trace", "metrics")
#: Why a request is not let in, beside the reasons of the signature.
DOOR_REASONS = (
    "key_unknown",
    "key_outdated",
    "source_archived",
    "disarmed",
    "network_foreign",
    "nonce_stolen",
    "bearer_wrong",
    "bearer_forbidden",
    "action_forbidden",
)
#: What is asked of a source at each request.
SOURCE_FIELDS = ("active", "arming_id", "networks", "allows_bearer", "event_types", "company_id", "areas")
#: Expired nonces that a request takes away with it: more than the one it brings, so that they never pile up.
NONCES_CLEARED = 10

_refusals = RefusalMemory()


class DoorClosed(Exception):
    """A request is not let in.

    :param str reason: for our own record
    :param source_id: whose key it named, or None
    :param bool told: whether the sender has proven who it is, and may know the reason
    :param int status: of HTTP (RFC 9110): 401 who are you, 403 you may not
    """

    def __init__(self, reason, source_id=None, told=False, status=401):
        super().__init__(reason)
        self.reason = reason
        self.source_id = source_id
        self.told = told
        self.status = status


def environment_name():
    """Return which environment this server is, from outside the database: a copied database cannot bring it along."""
    return (
        config.get("machine_connect_environment")
        or os.environ.get("MACHINE_CONNECT_ENVIRONMENT")
        or os.environ.get("ODOO_STAGE")
        or "production"
    )


class MachineDoor(models.AbstractModel):
    """Who asks, and may they? Every request of others is judged here before anything else is done with it.

    All of it runs as the superuser on tables of our own that no sender has rights to: keys, nonces, refusals.
    """

    _name = "mrp.machine.door"
    _description = "Machine Door"

    # Who is there?

    @api.model
    def _let_in(self, asked, headers, address, action="deliver"):
        """Return the source that a request comes from: it signed it, or sent its bearer key along.

        :param asked: :class:`machine_connect.signature.Request`
        :param headers: of the request
        :param str address: where it came from
        :param str action: what it asks for, of :data:`ACTIONS`
        :raise DoorClosed: it is not let in
        """
        now = clock.now()
        token = None
        if not headers.get(signature.KEY_HEADER):
            token = signature.bearer(headers.get(signature.BEARER_HEADER))
        found = self._by_bearer(*token) if token else self._by_signature(asked, headers, now)
        source = self.env["mrp.machine.source"].browse(found["source_id"])
        source.fetch([*SOURCE_FIELDS, f"allows_{action}"])  # at each request, so not all that people see of it
        moment = now.replace(tzinfo=None)
        if found["valid_from"] > moment or (found["valid_until"] and found["valid_until"] <= moment):
            raise DoorClosed("key_outdated", source.id, told=True)
        if not source.active:
            raise DoorClosed("source_archived", source.id)
        if not source._takes_from(address, is_bearer=bool(token)):
            raise DoorClosed("network_foreign", source.id)
        if not source._is_armed():
            raise DoorClosed("disarmed", source.id, told=True)
        if token and not source._takes_bearer(environment_name()):
            raise DoorClosed("bearer_forbidden", source.id, told=True, status=403)
        if not source._allows(action):
            raise DoorClosed("action_forbidden", source.id, told=True, status=403)
        if not token:
            self._remember(found["id"], source, headers.get(signature.NONCE_HEADER), asked.digest, moment)
        if not found["last_used"] or found["last_used"] < moment - timedelta(minutes=1):
            self._note_use(found["id"], moment)
        # What was not signed may do less: see MachineSource._may_deliver.
        return source.with_context(machine_bearer=True) if token else source

    def _by_signature(self, asked, headers, now):
        """Return the key that a request was signed with."""
        name = headers.get(signature.KEY_HEADER) or ""
        found = self._find_key(name) if signature.KEY_NAME.fullmatch(name) else None
        if not found or found["algorithm"] not in signature.ALGORITHMS:
            # As long as with a key that exists, so that nobody learns which ones do.
            signature.verify(signature.Key("nobody", bytes(32)), asked, headers, now.timestamp())
            raise DoorClosed("key_unknown")
        key = signature.Key(name, found["material"], found["algorithm"])
        if reason := signature.verify(key, asked, headers, now.timestamp()):
            raise DoorClosed(reason, found["source_id"], told=reason == "time_outside")
        return found

    def _by_bearer(self, name, secret):
        """Return the key that a request was sent with instead of a signature."""
        found = self._find_key(name)
        if not found or found["algorithm"] != signature.BEARER:
            signature.is_bearer("0" * 64, secret)  # as long as with a key that exists
            raise DoorClosed("key_unknown")
        if not signature.is_bearer(found["value"], secret):
            raise DoorClosed("bearer_wrong", found["source_id"])
        return found

    def _find_key(self, name):
        # By SQL: at each request, from a table that nobody has rights to; a revoked key is refused at once everywhere.
        self.env.cr.execute(
            """SELECT key.id, key.source_id, key.algorithm, key.public_key, key.valid_from, key.valid_until, key.last_used,
                      secret.value
                 FROM mrp_machine_source_key key
                 LEFT JOIN mrp_machine_source_secret secret ON secret.key_id = key.id
                WHERE key.name = %s AND key.revoked IS NULL""",
            [name],
        )
        found = self.env.cr.dictfetchone()
        if not found:
            return None
        public, secret = found["public_key"], found["value"]
        if found["algorithm"] == signature.BEARER:
            return found if secret else None
        is_public = found["algorithm"] == signature.ED25519
        found["material"] = base64.b64decode(public or "") if is_public else bytes.fromhex(secret or "")
        return found if len(found["material"]) >= signature.KEY_BYTES else None

    def _remember(self, key_id, source, nonce, digest, moment):
        """Keep that a request has come; the same once more is the same request, another body is a stolen signature."""
        expires = moment + timedelta(seconds=2 * signature.WINDOW + 1)
        cr = self.env.cr
        # By SQL: one statement that is right for any number of workers and hosts. It takes more old ones away than the one it
        # brings, so that they never pile up.
        cr.execute(
            """WITH cleared AS (
                   DELETE FROM mrp_machine_nonce WHERE id IN (
                       SELECT id FROM mrp_machine_nonce WHERE expires < %s AND nonce <> %s LIMIT %s FOR UPDATE SKIP LOCKED)
               )
               INSERT INTO mrp_machine_nonce (key_id, nonce, digest, expires) VALUES (%s, %s, %s, %s)
               ON CONFLICT (key_id, nonce) DO UPDATE SET nonce = EXCLUDED.nonce
               RETURNING digest""",
            [moment, nonce, NONCES_CLEARED, key_id, nonce, digest, expires],
        )
        if not hmac.compare_digest(cr.fetchone()[0], digest):
            raise DoorClosed("nonce_stolen", source.id)

    def _note_use(self, key_id, moment):
        # By SQL: to the minute, so that the row is not written by each request; who finds it locked leaves it to the other.
        self.env.cr.execute(
            """UPDATE mrp_machine_source_key SET last_used = %s
                WHERE id = (SELECT id FROM mrp_machine_source_key
                             WHERE id = %s AND (last_used IS NULL OR last_used < %s) FOR UPDATE SKIP LOCKED)""",
            [moment, key_id, moment - timedelta(minutes=1)],
        )

    # What was refused

    @api.model
    def _count_refusal(self, reason, source_id, address):
        """Count one refused request, at once or, when there are very many, together with the next ones."""
        _refusals.add(self.env.cr.dbname, source_id, reason, address)
        self._write_refusals()

    @api.model
    def _write_refusals(self):
        """Write the refused requests that this process has counted and may write by now."""
        for found_id, counts, last in _refusals.due(self.env.cr.dbname):
            self._note_refusals(counts, found_id, last)

    @api.model
    def _note_refusals(self, refusals, source_id, address):
        """Count what was refused, a line a day and reason.

        :param dict refusals: ``{reason: how often}``
        """
        if not refusals:
            return
        moment = fields.Datetime.now()
        # By SQL: under attack, this is what happens most.
        self.env.cr.execute_values(
            """INSERT INTO mrp_machine_refusal AS line (source_id, company_id, day, reason, count, first, last, address)
               SELECT given.source_id::int, source.company_id, given.day::date, given.reason, given.count::int,
                      given.at::timestamp, given.at::timestamp, given.address
                 FROM (VALUES %s) AS given (source_id, day, reason, count, at, address)
                 LEFT JOIN mrp_machine_source source ON source.id = given.source_id::int
               ON CONFLICT (day, COALESCE(source_id, 0), reason)
               DO UPDATE SET count = line.count + EXCLUDED.count, last = EXCLUDED.last, address = EXCLUDED.address""",
            [
                (source_id or None, moment.date(), reason, count, moment, address or None)
                for reason, count in sorted(refusals.items())
            ],
            page_size=len(refusals),
        )

    @api.model
    def _reason_words(self):
        """Return each reason for which something is refused, as a sentence for people."""
        words = self.env._
        return {
            "key_unknown": words("It names no key of ours, or one that was revoked."),
            "key_outdated": words("Its key is not valid yet, or not any more. Make a new one on the source."),
            "source_archived": words("The source of its key is archived."),
            "disarmed": words(
                "This database is a copy, was moved or was not armed yet. Arm it on the source, if it is to take events."
            ),
            "network_foreign": words("It came from an address outside the source's allowed networks."),
            "nonce_stolen": words(
                "It used a number again that another request was signed with: somebody replays requests."
            ),
            "bearer_wrong": words("The bearer key does not fit: somebody guesses, or the device has an old one."),
            "bearer_forbidden": words(
                "Bearer keys are not allowed for this source, or not in this environment. Allow them on the source, or let "
                "it sign."
            ),
            "action_forbidden": words("The source may not ask for this. Allow it on the source, page Rights."),
            "header_missing": words("A header of the signature is missing."),
            "header_malformed": words("A header of the signature is not of its form."),
            "signature_wrong": words(
                "The signature does not fit: another secret, another environment or database, or the content was changed."
            ),
            "time_outside": words("The sender's clock differs too much from ours. Set its clock."),
            "machine_unknown": words("The source speaks for no machine of this code. Add the machine to the source."),
            "type_forbidden": words("The source may not deliver this type of event. Add the type to the source."),
            "identity_conflict": words(
                "The id was used before with another content. The sender must not use an id twice."
            ),
            "sequence_conflict": words("The sequence number was used before with another id."),
            "media_type_unsupported": words(
                "It is neither CloudEvents in structured JSON nor plain JSON of a source that has translations."
            ),
            "charset_unsupported": words("The character set is not UTF-8."),
            "encoding_unsupported": words("It is packed otherwise than by gzip."),
            "body_too_big": words("The request is too big. Send smaller batches."),
            "unpacked_too_big": words("The request is too big once it is unpacked. Send smaller batches."),
            "too_many_values": words("The request holds too many values. Send smaller batches."),
            "too_many_events": words("The batch holds too many events. Send smaller batches."),
            "rate_exceeded": words(
                "More came in a second than is taken; the sender comes again by itself. See the limits in the settings."
            ),
            "backlog_full": words(
                "Too many events wait for their effect; the sender comes again by itself. See why posting is behind."
            ),
            "body_cut": words(
                "The body did not come to its end: the connection was cut, or its chunks are not of their form."
            ),
            "gzip_broken": words("The packed body is not whole."),
            "byte_order_mark": words("The body begins with a byte order mark."),
            "not_utf8": words("The body is not UTF-8."),
            "not_json": words("The body is not JSON."),
            "too_deep": words("The body is nested too deeply."),
            "not_an_object": words("A single event must be a JSON object."),
            "not_an_array": words("A batch must be a JSON array."),
            "body_unfit": words("A value of the body is not of the form that is needed."),
            "query_unfit": words("The query does not name what is asked for."),
            "trace_unknown": words("It asked for an event that this source has not delivered."),
            "missing": words("An event lacks a required key."),
            "wrong_type": words("A value of an event is not of its type."),
            "out_of_range": words("A number of an event is outside its range."),
            "not_finite": words("A number of an event is not finite."),
            "too_long": words("A text or list of an event is too long."),
            "too_short": words("A text or list of an event is too short."),
            "unknown_choice": words("A value of an event is not one of the choices."),
            "malformed": words("A text of an event is not of the form that is needed."),
            "key_twice": words("An object says the same key twice."),
            "nul": words("A text holds a NUL character."),
            "half_surrogate": words("A text holds half a character (a lone surrogate)."),
            "type_unknown": words("There is no such type of event."),
            "version_unknown": words("There is no such version of the type of event."),
            "data_not_json": words("The data of an event is not a JSON object."),
            "event_too_big": words("An event is too big."),
            "translation_missing": words(
                "No translation of the source is for a metric that came, or the metric lacks a field that is wanted. Add one "
                "on the source, page Translations, or let the sender leave the metric out."
            ),
            "telemetry": words(
                "A signal was sent more often in a second than is taken. The sender should send summaries (process.summary)."
            ),
        }


def superuser(env):
    """Return an environment that may write our own tables: a sender has no user, and its rights are those of its source."""
    return env(user=SUPERUSER_ID)
