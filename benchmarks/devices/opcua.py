"""One OPC UA server with many variables: a whole number each, with a source time."""

import argparse
import asyncio
import logging
from datetime import datetime, timezone

from asyncua import Server, ua

from benchmarks import devices

NAMESPACE = "urn:benchmark:plant"


async def main(count):
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    server = Server()
    await server.init()
    server.set_endpoint("opc.tcp://127.0.0.1:0/")
    index = await server.register_namespace(NAMESPACE)
    folder = await server.nodes.objects.add_folder(ua.NodeId("Counters", index), "Counters")
    moment = datetime(2026, 3, 2, 6, 0, tzinfo=timezone.utc)
    for number in range(count):
        node = await folder.add_variable(
            ua.NodeId(f"Counter{number}", index), f"Counter{number}", number, ua.VariantType.UInt32
        )
        value = ua.DataValue(
            ua.Variant(1_000 + number, ua.VariantType.UInt32), SourceTimestamp=moment, ServerTimestamp=moment
        )
        await server.write_attribute_value(node.nodeid, value)
    async with server:
        port = server.bserver._server.sockets[0].getsockname()[1]
        await devices.serve({"url": f"opc.tcp://127.0.0.1:{port}/", "namespace": NAMESPACE, "count": count})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=1000, help="variables")
    asyncio.run(main(parser.parse_args().count))
