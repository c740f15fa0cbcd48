"""Does odoo.conf.example run as it is? Only where PostgreSQL is, and which port is free, differ between machines."""

import configparser

from devtools import environment, odoo_process, postgres
from tests.integration import processes

EXAMPLE = environment.ROOT / "odoo.conf.example"


class ExampleServer(processes.OdooServer):
    """A server started from the repository's folder with the example itself."""

    def __init__(self, cluster, database, data_folder):
        super().__init__(cluster, database)
        settings = [f"--{key}={value}" for key, value in cluster.odoo_settings().items()]
        settings += [f"--http-port={self.port}", f"--data-dir={data_folder}", "-d", database]
        self.command = [str(part) for part in odoo_process.command(EXAMPLE, "server", *settings)]


def test_the_example_starts_and_serves(durable_database, programs, sql, tmp_path):
    # Nobody polls the plant of the demonstration here, and after some minutes that is told, as it should be.
    sql("UPDATE mrp_machine SET silent_after = 0")
    server = ExampleServer(postgres.DURABLE, durable_database, tmp_path)
    programs.append(server)

    server.start()

    assert server.call("res.users", "search_count", []) > 0
    assert [line for line in server.output().splitlines() if " WARNING " in line or " ERROR " in line] == []


def test_every_setting_of_the_example_says_why():
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("#"), f"no word on {line}"


def test_the_example_is_read_without_surprise():
    parsed = configparser.RawConfigParser()
    parsed.read(EXAMPLE)

    assert parsed.sections() == ["options"]
    assert parsed["options"]["proxy_mode"] == "False"
