"""What people with bad intentions, or with broken programs, send to the door: changed ever again, by chance that can be repeated.

Nothing of it may be stored: each request breaks a rule, either of the signature or, rightly signed, of what a source may send.
"""

import gzip
import json
import random
import socket
import time

from machine_connect.envelope import BATCH, SINGLE
from machine_connect.signature import HEADERS, Key, Request, new_nonce, sign
from machine_connect.timestamps import timestamp

EVENTS = "/machine/v1/events"
READING = ("config", "trace?source=line&id=1", "metrics", "openapi.json", "health", "heartbeat", "events", "")

#: Texts that break what was not made with care.
NASTY = (
    "' OR 1=1 --",
    "{{7*7}}",
    "%s%n",
    "../../etc/passwd",
    "\u202e",
    "x" * 300,
    "<script>",
    "$(id)",
    "\ufeff",
    "🦊",
    " ",
    "",
)
#: JSON values where others are expected; as text, for Python could not say some of them.
ODD = (
    "null", "true", "[]", "{}", '""', "-1", "0.5", "1e308", "1e999", "-1e999", "NaN", "Infinity", "1" * 400, "9" * 5_000,
    "9223372036854775808", "18446744073709551616", '"\\u0000"', '"\\ud800"', '"' + "x" * 70_000 + '"', "[[[[]]]]",
    '{"a": {"a": {"a": 1}}}', "2147483648", '"9223372036854775808"', '"-1"', '"١٢"', "1E+2", "-0",
)  # fmt: skip


class Hostility:
    """Makes hostile requests to a source of a real server.

    :param dict facts: ``key``, ``secret``, ``environment``, ``uuid``, ``code`` (its machine), ``foreign`` (another source's)
    :param int seed: of all that is left to chance
    """

    def __init__(self, facts, seed):
        self.facts = facts
        self.key = Key(facts["key"], bytes.fromhex(facts["secret"]))
        self.chance = random.Random(seed)
        self.kinds = [name for name in dir(self) if name.startswith("do_")]
        self._turn = 0

    def next(self):
        """Return ``(what it is, list of parts to send)``; a number among the parts is a pause in seconds."""
        # In turn, so that each kind comes as often as every other one.
        name = self.kinds[self._turn % len(self.kinds)]
        self._turn += 1
        made = getattr(self, name)()
        return name.removeprefix("do_"), made if isinstance(made, list) else [made]

    # What requests are made of

    def event(self, **attributes):
        """Return an event that would be taken."""
        return {
            "specversion": "1.0",
            "id": f"hostile {self.chance.getrandbits(64):x}",
            "source": "line/hostile",
            "type": "mmc.production.count.v1",
            "subject": self.facts["code"],
            "time": timestamp(int(time.time() * 1e6)),
            "epoch": 1,
            "sequence": f"{self.chance.getrandbits(40):020d}",
            "data": {"kind": "good", "delta": 1},
            **attributes,
        }

    def batch(self, *events):
        return json.dumps(list(events) or [self.event()]).encode()

    def signed(self, body, target=EVENTS, method="POST", key=None, seconds=None, nonce=None, **of):
        """Return the headers of the signature of a request, right unless told otherwise."""
        environment, database = of.get("environment", self.facts["environment"]), of.get("database", self.facts["uuid"])
        moment = time.time() if seconds is None else seconds
        return sign(key or self.key, Request(method, target, body, environment, database), moment, nonce or new_nonce())

    def raw(self, body, headers, target=EVENTS, method="POST", version="HTTP/1.1", content_type=BATCH, length=None):
        """Return the bytes of a request.

        :param headers: a dict or a list of pairs
        """
        pairs = list(headers.items() if isinstance(headers, dict) else headers)
        pairs += [("Host", "127.0.0.1"), ("Connection", "close")]
        if content_type is not None:
            pairs.append(("Content-Type", content_type))
        if length is not False:
            pairs.append(("Content-Length", str(len(body) if length is None else length)))
        self.chance.shuffle(pairs)
        head = "\r\n".join([f"{method} {target} {version}", *(f"{name}: {value}" for name, value in pairs), "", ""])
        return head.encode("utf-8", "surrogateescape") + body

    def rightly_signed(self, body, content_type=BATCH, **headers):
        """Return a request whose signature is right, whatever is in it."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.raw(body, {**self.signed(body), **more}, content_type=content_type)

    def unsigned(self):
        """Return headers of a signature that is wrong."""
        return self.signed(b"something else")

    def nasty(self):
        return self.chance.choice(NASTY)

    def text(self, longest=40):
        return "".join(chr(self.chance.randint(33, 126)) for _index in range(self.chance.randint(1, longest)))

    # Who does not have the right

    def do_other_secret(self):
        body = self.batch()
        return self.raw(body, self.signed(body, key=Key(self.key.name, self.chance.randbytes(32))))

    def do_unknown_key(self):
        body = self.batch()
        return self.raw(body, self.signed(body, key=Key(f"k{self.chance.getrandbits(40)}", self.chance.randbytes(32))))

    def do_header_missing(self):
        body = self.batch()
        headers = self.signed(body)
        del headers[self.chance.choice(HEADERS)]
        return self.raw(body, headers)

    def do_header_changed(self):
        body = self.batch()
        headers, name = self.signed(body), self.chance.choice(HEADERS)
        value = headers[name]
        place = self.chance.randrange(len(value))
        # Another letter each: in Base64 the last one before the padding holds bits that mean nothing.
        place = min(place, len(value) - 3)
        headers[name] = (
            value[:place] + self.chance.choice([c for c in "0189AZaz" if c != value[place]]) + value[place + 1 :]
        )
        return self.raw(body, headers)

    def do_header_of_nonsense(self):
        body = self.batch()
        value = self.chance.choice((self.nasty(), "9" * 30, "\xff" * 16, "a" * 60_000, "-1", "1e9", "٣" * 10))
        return self.raw(body, {**self.signed(body), self.chance.choice(HEADERS): value})

    def do_header_twice(self):
        body = self.batch()
        headers = self.signed(body)
        name = self.chance.choice(HEADERS)
        return self.raw(body, [*headers.items(), (name, self.chance.choice((headers[name], "x", self.nasty())))])

    def do_body_changed(self):
        body = self.batch()
        place = self.chance.randrange(len(body))
        changed = body[:place] + bytes([body[place] ^ self.chance.randint(1, 255)]) + body[place + 1 :]
        return self.raw(changed, self.signed(body))

    def do_clock(self):
        body = self.batch()
        off = self.chance.choice((-1, 1)) * self.chance.choice((320, 3_600, 86_400, 10**9))
        return self.raw(body, self.signed(body, seconds=max(0, time.time() + off)))

    def do_foreign_environment(self):
        body = self.batch()
        of = self.chance.choice(("test", "development", "", "Production ", self.text()))
        return self.raw(body, self.signed(body, environment=of))

    def do_other_database(self):
        body = self.batch()
        return self.raw(body, self.signed(body, database=self.chance.choice(("", "0" * 36, self.text()))))

    def do_stolen_nonce(self):
        """Rightly signed with a number that was used for another body."""
        body = self.batch()
        return self.raw(body, self.signed(body, nonce=self.facts["used_nonce"]))

    def do_stolen_headers(self):
        return self.raw(self.batch(), self.signed(b"[]", nonce=self.facts["used_nonce"]))

    # Who has a right, and wants more

    def do_other_machine(self):
        codes = (
            self.facts["foreign"],
            "",
            "*",
            "%",
            self.nasty(),
            self.facts["code"] + "\u0000",
            self.facts["code"].upper(),
        )
        return self.rightly_signed(self.batch(self.event(subject=self.chance.choice(codes))))

    def do_other_type(self):
        types = ("mmc.correction.adjust.v1", "mmc.production.count.v2", "mmc.production.count", "production.count.v1",
                 "mmc.nothing.at_all.v1", "mmc..v1", "mmc.production.count.v-1", "mmc.production.count.v١")  # fmt: skip
        wanted = self.chance.choice(types)
        data = {"kind": "good", "delta": -1, "refers_to": "x"}
        return self.rightly_signed(self.batch(self.event(type=wanted, data=data)))

    # Bodies, rightly signed

    def do_gzip_bomb(self):
        size = self.chance.choice((9_000_000, 40_000_000))
        packed = gzip.compress(self.chance.choice((b" ", b"[", b'{"a":')) * size, 6)
        for _more in range(self.chance.randint(0, 1)):
            packed = gzip.compress(packed)
        return self.rightly_signed(packed, Content_Encoding="gzip")

    def do_gzip_broken(self):
        packed = gzip.compress(self.batch())
        cut = self.chance.randrange(len(packed) - 1)
        packed = self.chance.choice((packed[:cut], packed + b"x", b"\x1f\x8b" + packed[5:], packed[::-1], packed * 2))
        return self.rightly_signed(packed, Content_Encoding="gzip")

    def do_encoding(self):
        names = ("br", "deflate", "gzip, gzip", "zstd", "gzip;q=1", "compress", self.text())
        return self.rightly_signed(gzip.compress(self.batch()), Content_Encoding=self.chance.choice(names))

    def do_deep(self):
        depth = self.chance.choice((17, 1_000, 100_000))
        opening, closing = self.chance.choice(((b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")))
        whole = self.chance.random() < 0.5
        return self.rightly_signed(opening * depth + b"1" + (closing * depth if whole else b""))

    def do_wide(self):
        made = self.chance.choice(
            (
                b"[" + b"1," * 300_000 + b"1]",
                b"[" + b"{}," * 1_100 + b"{}]",
                b'[{"' + b'","'.join([b"a"] * 100_000) + b'"}]',
            )
        )
        return self.rightly_signed(made)

    def do_too_big(self):
        return self.rightly_signed(b" " * self.chance.choice((1_048_577, 2_000_000)) + self.batch())

    def do_charset(self):
        event = json.dumps([self.event(subject="Fräse")], ensure_ascii=False)
        body = event.encode(self.chance.choice(("utf-16", "utf-32", "latin-1", "utf-8-sig", "cp037", "utf-7")))
        charset = self.chance.choice(("utf-8", "utf-16", "latin-1", "x", '"', "utf-8; charset=utf-16", "utf-8\u00e4"))
        return self.rightly_signed(body, f"{BATCH}; charset={charset}")

    def do_media_type(self):
        types = ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
                 "multipart/form-data; boundary=x", "application/xml", "", ";", "a/b/c", SINGLE, f"{BATCH}, {BATCH}",
                 "application/csp-report", "*/*", self.text())  # fmt: skip
        return self.rightly_signed(self.batch(), self.chance.choice(types))

    def do_form_of_many_fields(self):
        count = self.chance.choice((10, 2_000, 20_000))
        return self.rightly_signed(*self.chance.choice((form_of_fields, form_of_parts))(count))

    def do_odd_value(self):
        """Any value of an event is something else; the machine is foreign, should it fit by chance."""
        event = self.event(
            subject=self.facts["foreign"], recordedtime=timestamp(0), quality="good", cfgver=1, rawstatus="x"
        )
        name = self.chance.choice(
            [*event, "correlationid", "historical", "held", "signal", "datacontenttype", "a\u0000b"]
        )
        if name == "data" and self.chance.random() < 0.8:
            event["data"] = {**event["data"], self.chance.choice(("kind", "delta", "total_before", "new")): "@"}
        else:
            event[name] = "@"
        return self.rightly_signed(json.dumps([event]).replace('"@"', self.chance.choice(ODD)).encode())

    def do_bytes_changed(self):
        """The bytes of a batch are changed before they are signed: only its form can give it away."""
        body = bytearray(
            self.batch(self.event(subject=self.facts["foreign"]), self.event(subject=self.facts["foreign"]))
        )
        for _change in range(self.chance.randint(1, 6)):
            place = self.chance.randrange(len(body))
            if self.chance.random() < 0.5:
                body[place] = self.chance.randrange(256)
            else:
                body[place:place] = self.chance.choice(
                    (b"\0", b'"', b"\\", b"{", b"]", b",", b"\\ud83d", b"\xc3", b"\r\n")
                )
        return self.rightly_signed(bytes(body))

    def do_nasty_text(self):
        event = self.event(subject=self.facts["foreign"])
        event[self.chance.choice(("id", "source", "signal", "correlationid", "quality", "time"))] = self.nasty()
        return self.rightly_signed(self.batch(event))

    def do_time_of_event(self):
        times = ("0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z",
                 "now", "1" * 20, "2026-01-01T00:00:60Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T24:00:00Z",
                 "9999-12-31T23:59:59-23:59", "2026-01-01T00:00:00+99:99")  # fmt: skip
        name = self.chance.choice(("time", "recordedtime"))
        event = self.event(subject=self.facts["foreign"], **{name: self.chance.choice(times)})
        return self.rightly_signed(self.batch(event))

    def do_not_events(self):
        bodies = (b"", b"null", b"1", b'"x"', b"{}", b"[null]", b"[[]]", b"[1, 2]", b"[{}]", b"\0", b"[", b"]", b"[{]}",
                  b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>", b"\xef\xbb\xbf[]")  # fmt: skip
        return self.rightly_signed(self.chance.choice(bodies))

    # Other routes

    def do_query(self):
        parts = ("source=", "id=", "source=%00&id=1", "source=a&source=b&id=1", f"source={'x' * 5_000}&id=1", "id=%ff&source=%",
                 "source[]=1&id={}", "source=line%2Fhostile&id=%27", "db=other", "source=%ed%a0%80&id=1")  # fmt: skip
        target = f"/machine/v1/trace?{self.chance.choice(parts)}"
        return self.raw(b"", self.signed(b"", target, "GET"), target, "GET", content_type=None)

    def do_heartbeat(self):
        bodies = (b"[]", b"{", b'{"at": 1e999}', b'{"version": "' + b"x" * 70_000 + b'"}', b"[" * 50_000, b"\0", b'"\\ud800"',
                  b'{"spool": {"events": -1}}', b'{"at": "9999-12-31T23:59:59-23:59"}', b"\xff\xfe")  # fmt: skip
        target, body = "/machine/v1/heartbeat", self.chance.choice(bodies)
        return self.raw(body, self.signed(body, target), target, content_type="application/json")

    def do_entity_tag(self):
        tags = ("*", '"', 'W/"x"', '"' + "x" * 5_000 + '"', ",,,", '"\xff"', "\x7f")
        target = "/machine/v1/config"
        headers = {**self.signed(b"", target, "GET"), "If-None-Match": self.chance.choice(tags)}
        return self.raw(b"", headers, target, "GET", content_type=None)

    # Paths, methods, headers, and the line itself

    def do_path(self):
        targets = (f"{EVENTS}/", "/machine//v1/events", "/machine/v1/../v1/events", "/machine/v1/%65vents", f"{EVENTS}%00",
                   f"{EVENTS}%0a", f"{EVENTS};x=1", f"http://127.0.0.1{EVENTS}", f"http://elsewhere{EVENTS}", "/machine/v1//events",
                   f"{EVENTS}?{'x' * 30_000}", f"{EVENTS}?db=other", "/MACHINE/V1/EVENTS", f"{EVENTS}#x", "\\machine\\v1\\events",
                   f"{EVENTS}?debug=assets", "/machine/v1/évents", "*", f"{EVENTS}%ff", "/machine/v2/events")  # fmt: skip
        body = self.batch()
        return self.raw(body, self.signed(body), self.chance.choice(targets))

    def do_path_that_is_signed(self):
        """Rightly signed for an address that no route is at."""
        target = f"/machine/v1/{self.chance.choice(('event', 'events/1', 'Events', 'nonces', '..', '%2e%2e/events', self.text()))}"
        body = self.batch()
        target = target.replace("#", "")
        return self.raw(body, self.signed(body, target), target)

    def do_method(self):
        method = self.chance.choice(
            ("GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", "FOO")
        )
        body = b"" if method in ("GET", "HEAD", "OPTIONS", "TRACE") else self.batch()
        target = f"/machine/v1/{self.chance.choice(READING)}"
        headers = self.signed(body, target, method) if self.chance.random() < 0.5 else self.unsigned()
        if method == "post":  # Werkzeug takes it for POST, and so does the signature
            headers = self.unsigned()
        return self.raw(body, headers, target, method)

    def do_headers_of_others(self):
        name, value = self.chance.choice(
            (
                ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "elsewhere"), ("X-HTTP-Method-Override", "PUT"),
                ("Authorization", f"Bearer {self.text()}"), ("Authorization", "Basic YWRtaW46YWRtaW4="), ("Authorization", "Bearer"),
                ("Authorization", "\xff"), ("Cookie", "session_id=" + "a" * 84), ("Cookie", "session_id=../../x"),
                ("X-Odoo-Database", "postgres"), ("X-Odoo-Database", "../x"), ("X-Odoo-Database", ""), ("Expect", "100-continue"),
                ("Expect", "x"), ("Range", "bytes=0-"), ("Upgrade", "websocket"), ("Origin", "null"), ("X-Forwarded-Proto", "gopher"),
                ("Accept-Language", "xx-" * 2_000), ("User-Agent", "\x7f"), ("Transfer-Encoding", "identity"), ("Trailer", "x"),
            )
        )  # fmt: skip
        return self.raw(self.batch(), {**self.unsigned(), name: value})

    def do_long_headers(self):
        more = self.chance.choice(
            ([("X-Long", "x" * 70_000)], [(f"X-{index}", "x") for index in range(150)], [("x" * 10_000, "1")])
        )
        return self.raw(self.batch(), [*self.unsigned().items(), *more])

    def do_length(self):
        body = self.batch()
        length = self.chance.choice((-1, 0, "x", "1e3", len(body) - 1, f"{len(body)}, {len(body)}", "+5", "0x10", " "))
        return self.raw(body, self.unsigned(), length=length)

    def do_no_length(self):
        return self.raw(self.batch(), self.unsigned(), length=False)

    def do_chunked(self):
        body = self.batch()
        size = self.chance.choice((b"%x" % len(body), b"%x" % (len(body) - 1), b"ffffffffffffffff", b"-1", b"zz", b""))
        chunks = self.chance.choice((size + b"\r\n" + body + b"\r\n0\r\n\r\n", body, b"0\r\n\r\n" + body))
        headers = [
            *self.unsigned().items(),
            ("Transfer-Encoding", self.chance.choice(("chunked", "gzip, chunked", "CHUNKED"))),
        ]
        return self.raw(chunks, headers, length=self.chance.choice((False, 5)))

    def do_old_http(self):
        version = self.chance.choice(("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "HTTP/x", "", "http/1.1"))
        return self.raw(self.batch(), self.unsigned(), version=version)

    def do_broken_line(self):
        made = self.raw(self.batch(), self.unsigned())
        return self.chance.choice(
            (
                made.replace(b"\r\n", b"\n"),
                made.replace(b": ", b":", 3),
                made.replace(b"\r\nHost", b"\r\n folded\r\nHost"),
                made.replace(b"POST ", b"POST\t", 1),
                b"\r\n\r\n" + made,
                made.replace(b"X-Machine-Key:", b"X-Machine-Key :"),
                made.replace(b"X-Machine-Key", b"X_Machine_Key"),
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + self.chance.randbytes(100),
                b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                self.chance.randbytes(200) + b"\r\n\r\n",
            )
        )

    def do_slow(self):
        """A body that comes late, or not to its end."""
        if self.chance.random() < 0.9:  # each takes long; the others are quick
            return self.do_body_cut()
        made = self.raw(self.batch(), self.unsigned())
        middle = len(made) - 50
        return [made[:20], 0.3, made[20:middle], 0.3, *([made[middle:]] if self.chance.random() < 0.5 else [])]

    def do_body_cut(self):
        """Less than the length that was told, and then the line is closed."""
        made = self.raw(self.batch(), self.unsigned())
        return made[: -self.chance.randint(1, 60)]


def form_of_fields(count):
    """Return ``(body, content type)`` of a form that a web page sends."""
    return b"&".join(b"a%d=1" % index for index in range(count)), "application/x-www-form-urlencoded"


def form_of_parts(count):
    """Return ``(body, content type)`` of a form with which a web page could send files as well."""
    part = b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n'
    return b"".join(part % index for index in range(count)) + b"--x--\r\n", "multipart/form-data; boundary=x"


def speak(port, parts, patience=20):
    """Send parts of a request as they are, and return the answer's status (None: there was none) and all that came.

    :param list parts: bytes, and numbers that are pauses in seconds
    """
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as line:
            try:
                for part in parts:
                    if isinstance(part, bytes):
                        line.sendall(part)
                    else:
                        time.sleep(part)
                line.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # refused before it was all there
            while part := line.recv(65_536):
                answer += part
    except TimeoutError:
        raise AssertionError(f"no end of the answer after {patience} s: {parts[0][:200]!r}") from None
    except OSError:
        pass
    words = answer.split(b" ", 2)
    is_http = words[0].startswith(b"HTTP/") and len(words) > 1 and words[1].isdigit()
    return int(words[1]) if is_http else None, answer
