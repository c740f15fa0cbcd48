"""An OPC UA server on loopback: asyncua's own, behind the simulator's fault proxy."""

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.user_managers import UserManager

from machine_connect.drivers.opcua_wire import library
from simulator.faults import FaultProxy
from tests.unit.loopback import closed_port

POLICIES = ua.SecurityPolicyType


class Users(UserManager):
    """Knows users by password; without any, everybody is let in."""

    def __init__(self, users):
        self._users = users

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if self._users and self._users.get(username or "") != password:
            return None
        return User(role=UserRole.User, name=username)


class OpcUaServer:
    """A server and the line to it.

    :param loop: :class:`tests.unit.loopback.Loopback`
    :param namespaces: URIs, in the order in which this start of the server numbers them
    :param dict users: name -> password
    :param tokens: asyncua's classes of the identity tokens that are taken
    :param policies: of asyncua's SecurityPolicyType
    :param certificate: paths of certificate and key, needed for policies other than none
    """

    def __init__(self, loop, namespaces=("urn:plant:line", "urn:plant:oven"), users=None, tokens=None, policies=None,
                 certificate=None, prepare=None):  # fmt: skip
        library()  # quiets asyncua's logger
        self._loop = loop
        self._namespaces = namespaces
        self._users = users or {}
        self._tokens = tokens
        self._policies = policies or [POLICIES.NoSecurity]
        self._certificate = certificate
        self._prepare = prepare
        self.port, kept = closed_port()
        kept.close()
        self.server = None
        self.line = FaultProxy(self.port)

    def __enter__(self):
        self._loop.run(self._start())
        self._loop.run(self.line.start())
        return self

    def __exit__(self, *exception):
        self._loop.run(self.line.stop())
        self._loop.run(self._stop())

    async def _start(self):
        server = self.server = Server(user_manager=Users(self._users))
        await server.init()
        # Ahead of its maker's own, so that another order of the namespaces gives other indexes.
        for uri in self._namespaces:
            await server.register_namespace(uri)
        server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/plant")
        server.set_server_name("Plant of the tests")
        server.set_security_policy(self._policies)
        if self._tokens is not None:
            server.set_identity_tokens(self._tokens)
        if self._certificate:
            await server.load_certificate(self._certificate[0], "der")
            await server.load_private_key(self._certificate[1])
        if self._prepare:
            await self._prepare(self)
        await server.start()

    async def _stop(self):
        if self.server is not None:
            await self.server.stop()
            self.server = None

    # Its nodes

    def run(self, coroutine):
        return self._loop.run(coroutine)

    def index(self, uri):
        return self.server.iserver.aspace[ua.NodeId(2255)].attributes[13].value.Value.Value.index(uri)

    async def add(self, uri, name, value, kind=None, **facts):
        """Add a variable below Objects; value may be a DataValue."""
        data = value if isinstance(value, ua.DataValue) else ua.DataValue(ua.Variant(value, kind))
        node = ua.NodeId(name, self.index(uri))
        self.add_nodes(85, [node], data, **facts)
        return node

    def add_nodes(self, parent, nodes, data, node_class=ua.NodeClass.Variable, data_type=None):
        """Add nodes by the server's own tables: its services need minutes for some 10,000 of them."""
        aspace = self.server.iserver.aspace
        folder = aspace[ua.NodeId(parent) if isinstance(parent, int) else parent]
        variable = node_class == ua.NodeClass.Variable
        variant = data.Value
        kind = ua.NodeId(data_type or variant.VariantType.value) if variable else None
        for node in nodes:
            entry = NodeData(node)
            name = str(node.Identifier)
            attributes = {
                ua.AttributeIds.NodeId: ua.Variant(node, ua.VariantType.NodeId),
                ua.AttributeIds.NodeClass: ua.Variant(node_class.value, ua.VariantType.Int32),
                ua.AttributeIds.BrowseName: ua.Variant(ua.QualifiedName(name, node.NamespaceIndex)),
                ua.AttributeIds.DisplayName: ua.Variant(ua.LocalizedText(name)),
            }
            if variable:
                attributes[ua.AttributeIds.DataType] = ua.Variant(kind, ua.VariantType.NodeId)
                attributes[ua.AttributeIds.ValueRank] = ua.Variant(-1, ua.VariantType.Int32)
                for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
                    attributes[attribute] = ua.Variant(1, ua.VariantType.Byte)
            entry.attributes = {key: AttributeValue(ua.DataValue(value)) for key, value in attributes.items()}
            if variable:
                entry.attributes[ua.AttributeIds.Value] = AttributeValue(data)
            aspace[node] = entry
            folder.references.append(
                ua.ReferenceDescription(
                    ua.NodeId(ua.ObjectIds.Organizes),
                    True,
                    node,
                    ua.QualifiedName(name, node.NamespaceIndex),
                    ua.LocalizedText(name),
                    node_class,
                    ua.NodeId(63 if variable else 61),
                )
            )

    def write(self, node, data):
        """Set the DataValue of a variable, from the thread of the test."""
        self._loop.call(self._write, node, data)

    def _write(self, node, data):
        self.server.iserver.aspace[node].attributes[ua.AttributeIds.Value] = AttributeValue(data)

    # What happened, and what shall happen

    @property
    def url(self):
        return f"opc.tcp://127.0.0.1:{self.line.port}/plant"

    @property
    def options(self):
        return {"url": self.url, "timeout": 2.0}

    def restart(self, namespaces=None):
        """Stop the server and start another one in its place."""
        self._loop.run(self._stop())
        self._namespaces = namespaces or self._namespaces
        self._loop.run(self._start())

    def lose(self):
        self._loop.run(self.line.stop())

    def come_back(self):
        self._loop.run(self.line.start())

    def fault(self, name, **parameters):
        self._loop.call(self.line.fault, name, **parameters)

    def connections(self):
        return self._loop.call(lambda: self.line.connections)

    def sessions(self):
        """Return how many sessions of clients the server keeps."""
        return self._loop.call(lambda: len(self.server.iserver._external_sessions))

    def forget_requests(self):
        self.line.questions.clear()

    def requests(self):
        """Return the names of the services that were asked for, in order, as they stood on the wire."""
        return [name for chunk in list(self.line.questions) for name in services(chunk)]


def services(chunk):
    """Yield the names of the services in what a client sent (Part 6, 6.7.2), where nothing is encrypted."""
    while len(chunk) >= 8:
        kind, size = chunk[:3], int.from_bytes(chunk[4:8], "little")
        message, chunk = chunk[:size], chunk[size:]
        if kind == b"OPN":
            yield "OpenSecureChannel"
        elif kind == b"CLO":
            yield "CloseSecureChannel"
        elif kind == b"MSG":
            # 24 bytes of headers, then the type of the request as a FourByte NodeId: 1, namespace, number
            yield _names().get(int.from_bytes(message[26:28], "little"), f"service {message[24:28].hex()}")


def _names(kept={}):  # noqa: B006 - kept on purpose
    if not kept:
        end = "Request_Encoding_DefaultBinary"
        kept.update({value: name[: -len(end)] for name, value in vars(ua.ObjectIds).items() if name.endswith(end)})
    return kept
