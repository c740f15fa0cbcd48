"""What have machines with an OPC UA server in common? asyncua's server on loopback, behind the fault proxy."""

import logging
from datetime import datetime, timezone

from .faults import FaultProxy


class OpcUaMachine:
    """A server with variables that clients may read and not write.

    :param str name: of the server, and of the folder with its variables
    :param str namespace: URI of its variables
    :param str prefix: before the key of a variable in its node id
    :param int port: where it listens on 127.0.0.1, 0 = any free one; afterwards :attr:`port` says which
    :ivar int reads: Read requests of clients for its variables
    :ivar int write_attempts: Write requests of clients; all are refused
    """

    def __init__(self, name, namespace, port, prefix=""):
        self.name = name
        self.namespace = namespace
        self.prefix = prefix
        self.port = port
        self.reads = 0
        self.write_attempts = 0
        self.line = FaultProxy(0, port)
        self._server = None
        self._index = 0
        self._nodes = {}
        self._by_node = {}

    @property
    def url(self):
        """Where a client finds it."""
        return f"opc.tcp://127.0.0.1:{self.port}/{self.name}"

    def address(self, key):
        """Return the address of a variable, as a signal of ours names it."""
        return f"nsu={self.namespace};s={self.prefix}{key}"

    # For the machines

    async def serve(self, variables):
        """Start the server with these variables, all without a value yet, and the line to it.

        :param dict variables: key -> name of the OPC UA type
        """
        from asyncua import Server, ua
        from asyncua.common.callback import CallbackType

        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        self._server = server = Server()
        await server.init()
        server.set_server_name(self.name)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        server.set_endpoint(f"opc.tcp://127.0.0.1:0/{self.name}")
        self._index = await server.register_namespace(self.namespace)
        folder = await server.nodes.objects.add_object(ua.NodeId(self.name, self._index), f"{self._index}:{self.name}")
        for key, kind in variables.items():
            node = ua.NodeId(f"{self.prefix}{key}", self._index)
            nothing, data_type = ua.Variant(None, ua.VariantType.Null), ua.NodeId(ua.VariantType[kind].value)
            await folder.add_variable(node, f"{self._index}:{key}", nothing, datatype=data_type)
            self._nodes[key] = (node, ua.VariantType[kind])
            self._by_node[node] = key
            await self.set_bad(key, "BadWaitingForInitialData", None)
        server.subscribe_server_callback(CallbackType.PreRead, self._before_read)
        server.subscribe_server_callback(CallbackType.PreWrite, self._before_write)
        await server.start()
        self.line.target_port = server.bserver._server.sockets[0].getsockname()[1]
        await self.line.start()
        self.port = self.line.port

    async def hang_up(self):
        """Stop listening and serving."""
        await self.line.stop()
        if self._server:
            await self._server.stop()
            self._server = None

    async def set(self, key, value, at=None):
        """Give a variable a value, true since ``at`` (aware; default: now)."""
        from asyncua import ua

        node, kind = self._nodes[key]
        data = ua.DataValue(ua.Variant(value, kind), SourceTimestamp=at or _now(), ServerTimestamp=_now())
        await self._server.write_attribute_value(node, data)

    async def set_bad(self, key, status, at):
        """Take the value of a variable away: a StatusCode by its name says why."""
        from asyncua import ua

        node, _kind = self._nodes[key]
        code = ua.StatusCode(getattr(ua.StatusCodes, status))
        data = ua.DataValue(ua.Variant(), code, SourceTimestamp=at, ServerTimestamp=_now())
        await self._server.write_attribute_value(node, data)

    async def before_read(self, keys):
        """Called before the answer to a client's Read request that asks for these keys; for machines to override."""

    async def _before_read(self, event, _service):
        # The server reads its own variables too, and clients ask for the server's.
        if not event.is_external:
            return
        keys = [key for item in event.request_params.NodesToRead if (key := self._by_node.get(item.NodeId))]
        if keys:
            self.reads += 1
            await self.before_read(keys)

    async def _before_write(self, event, _service):
        if event.is_external:
            self.write_attempts += 1


def _now():
    return datetime.now(timezone.utc)
