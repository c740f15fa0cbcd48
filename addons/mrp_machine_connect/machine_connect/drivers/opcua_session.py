"""One session with one OPC UA server, from the first byte to the last. It is used once and never revived.

By OPC UA Part 6, 7.2 (OPC UA Connection Protocol) and Part 4, 5.6 (secure channel), 5.7 (session), 5.9 (Browse) and
5.11 (Read). asyncua is used below its ``Client.connect()``: that starts a supervisor, a watchdog and a renewal as
tasks of their own, which nobody needs who reads now and then and starts afresh after any loss.
"""

import asyncio
import logging
import time

from ..errors import ConnectionFailed
from .opcua_address import NodeAddress, address_text
from .opcua_decode import reading_session
from .opcua_security import own_certificate, server_certificate
from .opcua_settings import fingerprint_text
from .opcua_status import CODE_MASK, TOO_MUCH
from .opcua_wire import library, said

#: Bytes that a server may send between two requests of ours; the largest sensible answer is far below.
MAX_RECEIVED = 64 * 2**20
#: Lifetime that is asked for the secure channel, in milliseconds.
CHANNEL_LIFETIME = 3_600_000
#: A session or channel is left, and a new one opened, when this much of its life has passed (Part 4, 5.6.2.1).
RENEW_AT = 0.75
#: Seconds that a server which did not answer may still take to say good-bye.
PARTING = 0.2
#: Read requests on their way at the same time: the server works on one while we take the other apart.
IN_FLIGHT = 2
#: Seconds between two looks whether a namespace that was missing is there now.
NAMESPACES_AGAIN = 30.0
#: Where the server tells about itself, in namespace 0 (Part 5, 6.3).
NAMESPACE_ARRAY, MAX_NODES_PER_READ, MAX_NODES_PER_BROWSE = 2255, 11705, 11710

_logger = logging.getLogger(__name__)


class Session:
    """What one connection to a server needs while it lives. All methods but the constructor run in one event loop.

    :param Settings settings: of the connection
    :param str password: of its user; never kept in an error or a log
    """

    def __init__(self, settings, password=""):
        self.settings = settings
        self._password = password
        self._client = None
        self._received = 0
        self._opened = self._used = 0.0
        self._looked = 0.0
        self._lifetime = 0.0
        #: Seconds after which the server forgets a silent session, as it decided.
        self.patience = 0.0
        self.namespaces = []
        self.nodes_per_read = settings.max_nodes
        self.nodes_per_browse = settings.max_nodes
        #: What CreateSession answered (Part 4, 5.7.2): endpoints, certificate, application.
        self.greeting = None

    # Coming and going

    async def open(self, addresses):
        """Reach the server and start a session.

        :param addresses: of the host, as :func:`resolve` returns them
        :raise ConnectionFailed: nothing stays open
        """
        lib = library()
        try:
            server = certificate = key = uri = None
            if self.settings.secured:
                certificate, key, uri = own_certificate(self.settings)
                server = await self._server_certificate_of(addresses)
            self._client = client = self._new_client(uri)
            if self.settings.secured:
                content = lib.uacrypto.CertProperties
                with said(self.settings):
                    await client.set_security(
                        getattr(lib.policies, f"SecurityPolicy{self.settings.security_policy}"),
                        content(certificate, "der"),
                        content(key, "pem"),
                        server_certificate=content(server, "der"),
                        mode=self._mode(),
                    )
            await self._open_channel(client, addresses)
            await self._start_session(client)
            await self._learn()
        except BaseException as error:
            await self.close(error)
            if isinstance(error, ConnectionFailed) and error.code == "security_unsupported":
                await self._add_what_is_offered(error, addresses)
            raise
        self._opened = self._used = time.monotonic()

    async def close(self, reason=None):
        """Say good-bye and hang up.

        :param reason: the error for which it is closed; a server that stopped answering is told, but not waited for
        """
        client, self._client = self._client, None
        if client is not None:
            await self._hang_up(client, reason)

    @property
    def due(self):
        """Whether session or channel are about to end by their age, so that a new one should be opened first."""
        now = time.monotonic()
        return now - self._used >= self.patience * RENEW_AT or now - self._opened >= self._lifetime * RENEW_AT

    def _new_client(self, uri=None):
        client = library().Client(self.settings.full_url, timeout=self.settings.timeout)
        client.uaclient.session = reading_session()(client.uaclient)
        client.name = client.description = "Machine Connect"
        client.product_uri = "urn:odoo:machine-connect"
        client.application_uri = uri or self.settings.application_uri or "urn:odoo:machine-connect"
        client.session_timeout = int(self.settings.session_timeout * 1000)
        client.secure_channel_timeout = CHANNEL_LIFETIME
        client.max_messagesize = MAX_RECEIVED
        return client

    def _mode(self):
        modes = library().ua.MessageSecurityMode
        if not self.settings.secured:
            return modes.None_
        return modes.Sign if self.settings.security_mode == "sign" else modes.SignAndEncrypt

    def _policy_uri(self):
        name = "None" if not self.settings.secured else self.settings.security_policy
        return getattr(library().policies, f"SecurityPolicy{name}").URI

    async def _open_channel(self, client, addresses):
        """Connect to the first address that answers, greet, and open the secure channel."""
        last = None
        end = time.monotonic() + self.settings.timeout
        for position, address in enumerate(addresses):
            # Each address gets its share, so that a dead IPv6 route leaves time for IPv4.
            share = max((end - time.monotonic()) / (len(addresses) - position), 0.05)
            try:
                with said(self.settings):
                    await asyncio.wait_for(client.uaclient.connect_socket(address, self.settings.port), share)
                break
            except ConnectionFailed as error:
                last = error
        else:
            raise last
        self._guard(client.uaclient.protocol)
        with said(self.settings, greeting=True):
            await client.send_hello()
        with said(self.settings):
            await client.open_secure_channel()
        self._lifetime = client.secure_channel_timeout / 1000

    def _guard(self, protocol):
        """Cut the line to what speaks something else or does not stop: asyncua would wait, and gather without limit."""
        receive, greeted = protocol.data_received, False

        def data_received(data):
            nonlocal greeted
            self._received += len(data)
            # The first message of a server is one of these (Part 6, 7.1.2.2); HTTP's "HTTP" would be a length of 1 GB.
            foreign = not greeted and not any(head.startswith(data[:3]) for head in (b"ACK", b"ERR"))
            greeted = True
            if foreign or self._received > MAX_RECEIVED:
                protocol.transport.abort()
            else:
                receive(data)

        protocol.data_received = data_received

    async def _endpoints(self, addresses):
        """Ask for the endpoints without security, which every server answers (Part 4, 5.5.4)."""
        client = self._new_client()
        try:
            await self._open_channel(client, addresses)
            with said(self.settings):
                endpoints = await client.get_endpoints()
        except BaseException as error:
            await self._hang_up(client, error)
            raise
        await self._hang_up(client)
        return endpoints

    async def _server_certificate_of(self, addresses):
        """Return the certificate of the endpoint that is wanted.

        It is proven in the next step: only the owner of its key can read what we send then (Part 4, 5.6.2).
        """
        endpoint = self._wanted(await self._endpoints(addresses))
        return server_certificate(endpoint.ServerCertificate, self._pin(), secured=True)

    async def _add_what_is_offered(self, failure, addresses):
        """Let a refusal say what the server would take, where it did not and the server tells it."""
        if "offered" in failure.params:
            return
        try:
            offered = endpoint_facts(await self._endpoints(addresses))
        except ConnectionFailed as error:
            _logger.debug("the server does not tell what it offers: %s", error)
            return
        if offered:
            failure.params["offered"] = ", ".join(offered)

    def _pin(self):
        return fingerprint_text(self.settings.server_certificate_fingerprint)

    def _wanted(self, endpoints):
        try:
            return library().Client.find_endpoint(endpoints, self._mode(), self._policy_uri())
        except library().ua.UaError:
            offered = ", ".join(endpoint_facts(endpoints)) or "-"
            raise ConnectionFailed("security_unsupported", "security_policy", offered=offered) from None

    async def _start_session(self, client):
        try:
            with said(self.settings):
                self.greeting = await client.create_session()
        except ConnectionFailed as error:
            if error.params.get("reason") == "UaError":
                # The channel stands, but asyncua found the endpoint missing or another certificate than promised.
                code = "certificate_untrusted" if self.settings.secured else "security_unsupported"
                field = "server_certificate_fingerprint" if self.settings.secured else "security_policy"
                raise ConnectionFailed(code, field) from error
            raise
        if not self.settings.secured:
            # Nobody proves this certificate, but a password may be locked with it, so it must be the pinned one.
            server_certificate(self.greeting.ServerCertificate, self._pin(), secured=False)
        self.patience = client.session_timeout / 1000
        user, password = self._identity(client)
        with said(self.settings):
            await client.activate_session(user, password)

    def _identity(self, client):
        """Return user and password for ActivateSession, after a look at how the server would have them sent.

        :raise ConnectionFailed: anonymous_refused, password_unprotected, security_unsupported
        """
        lib, settings = library(), self.settings
        ua = lib.ua
        tokens = self._wanted(self.greeting.ServerEndpoints).UserIdentityTokens or []
        wanted = ua.UserTokenType.UserName if settings.user else ua.UserTokenType.Anonymous
        offered = [token for token in tokens if token.TokenType == wanted]
        # Some servers list no token at all and take the anonymous user all the same.
        if not offered and (tokens or settings.user):
            if settings.user:
                kinds = ", ".join(sorted({token.TokenType.name for token in tokens})) or "-"
                raise ConnectionFailed("security_unsupported", "user", offered=kinds)
            raise ConnectionFailed("anonymous_refused", "user")
        if not settings.user:
            return None, None
        # Strongest first; Basic128Rsa15 is as good as open (PKCS #1 v1.5 padding) and counts as none.
        locks = [
            getattr(lib.policies, f"SecurityPolicy{name}").URI
            for name in ("Aes256Sha256RsaPss", "Basic256Sha256", "Aes128Sha256RsaOaep", "Basic256")
        ]

        def lock(token):
            return token.SecurityPolicyUri or self._policy_uri()

        locked = [token for token in offered if lock(token) in locks and self.greeting.ServerCertificate]
        chosen = min(locked, key=lambda token: locks.index(lock(token))) if locked else offered[0]
        private = self._mode() == ua.MessageSecurityMode.SignAndEncrypt
        if self._password and not locked and not private and not settings.allow_plain_password:
            raise ConnectionFailed("password_unprotected", "allow_plain_password", user=settings.user)
        answer = ua.UserTokenPolicy(chosen.PolicyId, chosen.TokenType, SecurityPolicyUri=lock(chosen))
        client.server_policy = lambda token_type: answer
        return settings.user, self._password

    async def _learn(self):
        """Ask for the namespaces of this session and for how much may be asked at once (Part 5, 6.3.11)."""
        array, *limits = await self.read_values([NAMESPACE_ARRAY, MAX_NODES_PER_READ, MAX_NODES_PER_BROWSE])
        self._looked = time.monotonic()
        # Namespace 1 is the server itself; a server that lists none has at least the Foundation's.
        self.namespaces = [str(uri) for uri in array] if isinstance(array, list) else []
        for name, limit in zip(("nodes_per_read", "nodes_per_browse"), limits, strict=True):
            if isinstance(limit, int) and 0 < limit < getattr(self, name):
                setattr(self, name, limit)

    async def look_for_namespaces(self):
        """Ask for the namespaces again, unless that was just now: one may have been added since (Part 5, 6.3.1).

        :return: whether there are others than before
        """
        if time.monotonic() - self._looked < NAMESPACES_AGAIN:
            return False
        before = self.namespaces
        self._looked = time.monotonic()
        (array,) = await self.read_values([NAMESPACE_ARRAY])
        if isinstance(array, list):
            self.namespaces = [str(uri) for uri in array]
        return self.namespaces != before

    async def _hang_up(self, client, reason=None):
        protocol = client.uaclient.protocol
        if protocol is None:
            return
        transport = protocol.transport
        if protocol.state is library().UASocketState.OPEN:
            patience = PARTING if reason is not None else self.settings.timeout
            for farewell in (client.close_session, client.close_secure_channel):
                try:
                    await asyncio.wait_for(farewell(), patience)
                except Exception as error:
                    # Whatever goes wrong now changes nothing: the line is cut next.
                    _logger.debug("%s at parting: %s", type(error).__name__, error)
        client.disconnect_socket()
        for _turn in range(5):  # what is written goes out, and the socket is closed, in the loop's next turns
            await asyncio.sleep(0)
            if transport is None or protocol.state is library().UASocketState.CLOSED:
                return
        transport.abort()
        await asyncio.sleep(0)

    # Asking

    async def read(self, requests):
        """Send Read requests, few at a time, and return all answers in the order asked.

        :return: as :func:`.opcua_decode.read_results`
        :param requests: asyncua's ReadParameters, each within :attr:`nodes_per_read`
        """
        self._received = 0
        results, waiting = [], []
        try:
            for request in requests:
                waiting.append(asyncio.ensure_future(self._read(request)))
                if len(waiting) == IN_FLIGHT:
                    results += await waiting[0]
                    del waiting[0]
            for task in waiting:
                results += await task
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        self._used = time.monotonic()
        return results

    async def _read(self, request):
        nodes = request.NodesToRead
        try:
            with said(self.settings):
                return await self._client.uaclient.read(request)
        except ConnectionFailed as error:
            if error.params.get("number", 0) & CODE_MASK not in TOO_MUCH or len(nodes) == 1:
                raise
            # The server takes less than it said, or than it did not say. Remembered for this session.
            half = self.nodes_per_read = (len(nodes) + 1) // 2
            ua = library().ua
            parts = [
                ua.ReadParameters(request.MaxAge, request.TimestampsToReturn, nodes[start : start + half])
                for start in range(0, len(nodes), half)
            ]
            return [answer for part in parts for answer in await self._read(part)]

    async def read_values(self, numbers):
        """Return the values of variables of namespace 0; None for one that has none."""
        ua = library().ua
        request = read_request([(ua.NodeId(number), ua.AttributeIds.Value) for number in numbers])
        return [
            None if status >= 0x40000000 else value
            for value, _number, _array, status, _source, _server in await self.read([request])
        ]

    async def browse(self, nodes, most, references=0):
        """Return for each node its references downwards to objects and variables.

        :param nodes: asyncua's NodeIds, within :attr:`nodes_per_browse`
        :param int most: references of one node after which the rest is left
        :param int references: references that the server may put into one answer; 0: as many as it likes
        :return: per node ``(status, references)``
        """
        ua, client = library().ua, self._client
        self._received = 0
        request = ua.BrowseParameters()
        request.RequestedMaxReferencesPerNode = references
        request.NodesToBrowse = [
            ua.BrowseDescription(
                node,
                ua.BrowseDirection.Forward,
                ua.NodeId(ua.ObjectIds.HierarchicalReferences),
                True,
                ua.NodeClass.Object | ua.NodeClass.Variable,
                ua.BrowseResultMask.All,
            )
            for node in nodes
        ]
        with said(self.settings):
            results = await client.uaclient.browse(request)
        if len(results) != len(nodes):
            raise ConnectionFailed("protocol_error", "url", reason="answer does not fit the request")
        found = []
        for result in results:
            status, entries, point = result.StatusCode.value, list(result.References or []), result.ContinuationPoint
            while point and len(entries) < most:
                more = await self._browse_next(point, release=False)
                if not more.References:
                    point = None
                    break
                entries += more.References
                point = more.ContinuationPoint
            if point:
                await self._browse_next(point, release=True)
            found.append((status, entries[:most]))
        self._used = time.monotonic()
        return found

    async def _browse_next(self, point, release):
        """Ask for more, or give the server back what it keeps for us (Part 4, 5.9.3)."""
        ua = library().ua
        with said(self.settings):
            answers = await self._client.uaclient.browse_next(
                ua.BrowseNextParameters(ReleaseContinuationPoints=release, ContinuationPoints=[point])
            )
        return answers[0] if answers else ua.BrowseResult()

    # Names

    def node_id(self, address):
        """Return the NodeId of a NodeAddress in this session.

        :raise KeyError: the server has no such namespace
        """
        if not address.namespace:
            return library().ua.NodeId(address.identifier, 0)
        try:
            index = self.namespaces.index(address.namespace)
        except ValueError:
            raise KeyError(address.namespace) from None
        return library().ua.NodeId(address.identifier, index)

    def text_of(self, node_id):
        """Return the lasting text of a NodeId or ExpandedNodeId, or None for a node of another server."""
        if getattr(node_id, "ServerIndex", None):
            return None
        namespace = getattr(node_id, "NamespaceUri", None)
        if not namespace:
            index = node_id.NamespaceIndex
            if index and index >= len(self.namespaces):
                return None
            namespace = self.namespaces[index] if index else ""
        return address_text(namespace, node_id.Identifier)

    def local(self, node_id):
        """Return an ExpandedNodeId as a NodeId of this session, or None for a node of another server."""
        namespace = getattr(node_id, "NamespaceUri", None)
        if getattr(node_id, "ServerIndex", None):
            return None
        if namespace:
            try:
                return self.node_id(NodeAddress(namespace, node_id.Identifier))
            except KeyError:
                return None
        return library().ua.NodeId(node_id.Identifier, node_id.NamespaceIndex)


def read_request(nodes):
    """Return ReadParameters for pairs of NodeId and attribute: the value of now, with both its times."""
    ua = library().ua
    request = ua.ReadParameters(0, ua.TimestampsToReturn.Both)
    request.NodesToRead = [ua.ReadValueId(node, attribute) for node, attribute in nodes]
    return request


def endpoint_facts(endpoints):
    """Return for people what security a server offers, each kind once: ``["None", "Basic256Sha256 Sign"]``."""
    facts = []
    for endpoint in endpoints or []:
        # The standard writes Aes128_Sha256_RsaOaep, our setting Aes128Sha256RsaOaep.
        policy = (endpoint.SecurityPolicyUri or "").rpartition("#")[2].replace("_", "") or "None"
        mode = endpoint.SecurityMode.name.rstrip("_")
        facts.append(policy if mode == "None" else f"{policy} {mode}")
    return list(dict.fromkeys(facts))
