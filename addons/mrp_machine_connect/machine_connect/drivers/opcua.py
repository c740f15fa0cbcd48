"""OPC UA over TCP: values are read, nodes are looked at, and nothing is ever written or called.

By OPC UA Part 4 (services) and Part 6 (mapping). An address is a node by the URI of its namespace, for an index moves
when the server restarts: ``nsu=urn:plant;s=Part_Count``, ``i=2258`` for namespace 0.
"""

import asyncio

from .. import clock
from ..errors import ConnectionFailed
from .driver import BrowseItem, Driver
from .opcua_address import AddressInvalid, parse_address
from .opcua_security import certificate_facts, readable_by_others, server_facts
from .opcua_session import Session, endpoint_facts, read_request
from .opcua_settings import Settings, address_problems, endpoint_text, expected_kind, index_of, options_problems
from .opcua_status import status_name
from .opcua_value import TYPE_NAMES, Place, bad_reading, display, to_reading
from .opcua_wire import library, resolve

#: Sets of signals whose requests are kept ready: one for each poll interval of a connection, and some for forms.
PLANS = 16
#: Seconds beyond the time-outs of its requests after which a call is given up, whatever asyncua thinks.
GRACE = 1.0
#: Requests of an opening, each of which may take its time-out; the first that does ends it.
OPENING_STEPS = 4
#: What a server says of itself (Part 5, 6.3.10 and 12.10): address in namespace 0 by the name that we give it.
ABOUT = {
    "product": 2261, "product_uri": 2262, "manufacturer": 2263, "version": 2264, "build": 2265,
    "started": 2257, "clock": 2258, "state": 2259,
}  # fmt: skip
#: Part 5, 12.6.
SERVER_STATES = (
    "Running", "Failed", "NoConfiguration", "Suspended", "Shutdown", "Test", "CommunicationFault", "Unknown",
)  # fmt: skip
OBJECTS_FOLDER, PROPERTY_TYPE = 85, 68


class OpcUaDriver(Driver):
    """One session with one server, in an event loop that runs only while it is asked something.

    Between two reads nothing runs: no thread, no task. A session that would have ended by its age meanwhile is opened
    anew before the next read; whatever else is lost is told as it is.
    """

    protocol = "opcua"
    #: By Part 4: 5.5.4, 5.6.2, 5.6.3, 5.7.2 to 5.7.4, 5.9.2, 5.9.3, 5.11.2.
    read_requests = frozenset(
        {
            "GetEndpoints", "OpenSecureChannel", "CloseSecureChannel", "CreateSession", "ActivateSession",
            "CloseSession", "Browse", "BrowseNext", "Read",
        }
    )  # fmt: skip

    def __init__(self, options, secrets=None):
        super().__init__(options, secrets)
        self._loop = None
        self._session = None
        self._plans = []

    @classmethod
    def check_options(cls, options):
        return options_problems(options)

    @classmethod
    def check_address(cls, signal):
        return address_problems(signal)

    @classmethod
    def endpoint(cls, options):
        return endpoint_text(options)

    # The contract's verbs

    def open(self):
        self.close()
        library()
        settings = Settings.of(self.options)
        self._loop = asyncio.new_event_loop()
        try:
            self._start(settings)
        except BaseException:
            self.close()
            raise

    def read(self, signals):
        session = self._living_session()
        plan = self._plan(signals, session)
        if plan.homeless and self._run(session.look_for_namespaces(), 1):
            self._plans.clear()
            plan = self._plan(signals, session)
        answers = self._run(session.read(plan.requests), len(plan.requests))
        return plan.readings(answers, clock.now())

    def close(self):
        session, loop = self._session, self._loop
        self._session = self._loop = None
        self._plans.clear()
        if loop is None:
            return
        try:
            if session is not None:
                loop.run_until_complete(_in_time(session.close(), session.settings.timeout * 2 + GRACE))
        except (TimeoutError, asyncio.TimeoutError):
            pass  # the line is cut by the end of the loop
        finally:
            _end(loop)

    def browse(self, parent="", limit=500):
        session = self._living_session()
        if parent:
            try:
                node = session.node_id(parse_address(parent))
            except AddressInvalid as error:
                raise ConnectionFailed("address_invalid", "address", address=parent[:200], hint=error.hint) from error
            except KeyError as error:
                raise ConnectionFailed("namespace_unknown", "address", namespace=error.args[0]) from error
        else:
            node = library().ua.NodeId(OBJECTS_FOLDER, 0)
        status, items = self._run(_children(session, node, max(1, limit)), 4 + limit // 50)
        if status >= 0x80000000:
            raise ConnectionFailed("node_unknown", "address", address=parent[:200], status=status_name(status))
        return items

    def describe(self):
        session = self._living_session()
        numbers = dict(zip(ABOUT, self._run(session.read_values(list(ABOUT.values())), 1), strict=True))
        server_clock = numbers.pop("clock")
        endpoints = session.greeting.ServerEndpoints or []
        name = next((end.Server.ApplicationName.Text for end in endpoints if end.Server.ApplicationName.Text), "")
        state = numbers["state"]
        facts = {
            "name": name or str(numbers["product"] or ""),
            **{key: str(numbers[key] or "") for key in ("product", "product_uri", "manufacturer", "version", "build")},
            "state": SERVER_STATES[state] if isinstance(state, int) and 0 <= state < len(SERVER_STATES) else "",
            "started": _iso(numbers["started"]),
            "clock": _iso(server_clock),
            # How far its clock is ahead of ours: what it says about times is off by this.
            "clock_ahead_seconds": _seconds_ahead(server_clock),
            "namespaces": list(session.namespaces),
            "endpoints": endpoint_facts(endpoints),
            "nodes_per_read": session.nodes_per_read,
            "session_timeout_seconds": session.patience,
            **_named("server_certificate", server_facts(session.greeting.ServerCertificate)),
        }
        settings = session.settings
        if settings.secured:
            facts |= _named("own_certificate", certificate_facts(settings.certificate_path))
            facts["key_readable_by_others"] = readable_by_others(settings.key_path)
        return facts

    # Below the verbs

    def _start(self, settings):
        addresses = resolve(settings)
        session = Session(settings, self._secrets.get("password") or "")
        self._run(session.open(addresses), OPENING_STEPS)
        self._session = session
        self._plans.clear()

    def _living_session(self):
        """Return the open session, after a new one was opened if the old one is about to end by its age.

        :raise ConnectionFailed: there is none, or no new one could be opened
        """
        session = self._session
        if session is None:
            raise ConnectionFailed("connection_lost", "url", reason="it is not open")
        if session.due:
            self._session = None
            self._run(session.close(), 2)
            self._start(session.settings)
        return self._session

    def _run(self, work, requests):
        """Run a coroutine to its end, and no longer than its requests may take together.

        :raise ConnectionFailed: the connection as a whole is lost; the session is over
        """
        settings = Settings.of(self.options)
        patience = settings.timeout * max(1, requests) + GRACE
        try:
            return self._loop.run_until_complete(_in_time(work, patience))
        except ConnectionFailed as error:
            self._give_up(error)
            raise
        except (TimeoutError, asyncio.TimeoutError) as error:
            failure = ConnectionFailed("connection_timeout", "url", timeout=patience, **settings.where)
            self._give_up(failure)
            raise failure from error

    def _give_up(self, error):
        session, self._session = self._session, None
        if session is not None:
            try:
                self._loop.run_until_complete(_in_time(session.close(error), GRACE))
            except (TimeoutError, asyncio.TimeoutError):
                pass  # the loop's end cuts the line

    def _plan(self, signals, session):
        signals = list(signals)
        for plan in self._plans:
            if plan.signals == signals and plan.nodes_per_read == session.nodes_per_read:
                return plan
        plan = _Plan(signals, session)
        self._plans.insert(0, plan)
        del self._plans[PLANS:]
        return plan


class _Plan:
    """The requests for one set of signals in one session, and where each signal's answer will be found.

    :ivar list requests: asyncua's ReadParameters; each node is in them once, however many signals look at it
    :ivar bool homeless: whether a signal's namespace was unknown
    """

    def __init__(self, signals, session):
        ua = library().ua
        self.signals = signals
        self.nodes_per_read = session.nodes_per_read
        self.homeless = False
        nodes, positions = [], {}
        #: per signal: its place, the position of its answer or -1, why it is not asked for, and what that concerns
        self._wanted = []
        for signal in signals:
            place, position, code, evidence = Place(signal.name, signal.address), -1, "", {}
            try:
                address = parse_address(signal.address)
                node = session.node_id(address)
                place = Place(signal.name, str(address), index_of(signal.options), expected_kind(signal.options))
            except AddressInvalid:
                code, evidence = "address_invalid", {"address": signal.address[:200]}
            except KeyError:
                code, evidence, self.homeless = "namespace_unknown", {"namespace": address.namespace}, True
            except ValueError:
                code = "type_invalid"
            else:
                position = positions.setdefault(address, len(nodes))
                if position == len(nodes):
                    nodes.append((node, ua.AttributeIds.Value))
            self._wanted.append((place, position, code, evidence))
        size = self.nodes_per_read
        self.requests = [read_request(nodes[start : start + size]) for start in range(0, len(nodes), size)]

    def readings(self, answers, read_at):
        """Return the Readings, in the order of the signals."""
        return [
            bad_reading(place, code, read_at, **evidence) if code else to_reading(place, answers[position], read_at)
            for place, position, code, evidence in self._wanted
        ]


async def _children(session, node, limit):
    """Return the status of looking below a node, and the BrowseItems one level down."""
    ua = library().ua
    ((status, references),) = await session.browse([node], limit, limit)
    found = {}
    for reference in references:
        local, text = session.local(reference.NodeId), session.text_of(reference.NodeId)
        # A node may hang there by two references, and a node of another server cannot be read here.
        if local is not None and text is not None and text not in found:
            found[text] = (local, reference)
    variables = {text: entry for text, entry in found.items() if entry[1].NodeClass == ua.NodeClass.Variable}
    types = await _types(session, [local for local, _reference in variables.values()])
    parents = await _with_children(session, variables)
    items = []
    for text, (local, reference) in found.items():
        data_type, value = types.get(local, ("", None))
        items.append(
            BrowseItem(
                text,
                reference.DisplayName.Text or reference.BrowseName.Name or text,
                "variable" if text in variables else "folder",
                data_type,
                value,
                text not in variables or text in parents,
            )
        )
    return status, items


async def _with_children(session, variables):
    """Return the addresses of those variables that have something below them."""
    asked = [
        (text, local)
        for text, (local, reference) in variables.items()
        if reference.TypeDefinition.NamespaceIndex or reference.TypeDefinition.Identifier != PROPERTY_TYPE
    ]
    parents = set()
    for start in range(0, len(asked), session.nodes_per_browse):
        part = asked[start : start + session.nodes_per_browse]
        answers = await session.browse([local for _text, local in part], 1)
        parents.update(text for (text, _local), (_status, below) in zip(part, answers, strict=True) if below)
    return parents


async def _types(session, nodes):
    """Return per variable the name of its data type and its value now."""
    ua = library().ua
    asked = [(node, attribute) for node in nodes for attribute in (ua.AttributeIds.DataType, ua.AttributeIds.Value)]
    size = session.nodes_per_read
    answers = await session.read([read_request(asked[start : start + size]) for start in range(0, len(asked), size)])
    data_types = [answer[0] for answer in answers[0::2]]
    names = await _type_names(session, {data_type for data_type in data_types if isinstance(data_type, ua.NodeId)})
    return {
        node: (names.get(data_type, ""), display(answer))
        for node, data_type, answer in zip(nodes, data_types, answers[1::2], strict=True)
    }


async def _type_names(session, data_types):
    """Return the names of data types; those that are not built in are asked for."""
    ua = library().ua
    names, others = {}, []
    for data_type in data_types:
        if data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int) and data_type.Identifier < 26:
            names[data_type] = TYPE_NAMES[data_type.Identifier]
        else:
            others.append(data_type)
    size = session.nodes_per_read
    asked = [(data_type, ua.AttributeIds.BrowseName) for data_type in others]
    answers = await session.read([read_request(asked[start : start + size]) for start in range(0, len(asked), size)])
    for data_type, answer in zip(others, answers, strict=True):
        names[data_type] = getattr(answer[0], "Name", None) or ""
    return names


async def _in_time(work, seconds):
    return await asyncio.wait_for(work, seconds)


def _end(loop):
    """Close a loop, and leave nothing behind in it even after an interruption."""
    try:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def _named(prefix, facts):
    """Return what concerns a person of a certificate, under names of its own."""
    return {f"{prefix}_{key}": facts[key] for key in ("subject", "not_after", "fingerprint") if key in facts}


def _iso(value):
    return value.isoformat() if hasattr(value, "isoformat") else ""


def _seconds_ahead(server_clock):
    if not hasattr(server_clock, "isoformat"):
        return None
    return round((server_clock - clock.now()).total_seconds(), 1)
