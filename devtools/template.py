"""From which databases are all others copied?

Installing Manufacturing and Maintenance takes a minute, copying a database takes a moment. So there are templates,
on each cluster, each with a note (its comment in PostgreSQL) of what it was made from:

- ``tpl_base``: Odoo with Manufacturing, Maintenance, demo data and built assets; made anew when Odoo changes.
- ``tpl``: the same with our addons; made anew when their manifests or their data change. Any other change of our code
  comes in by ``-u`` on the copy.
- ``tpl_account``: ``tpl`` with accounting, and so with our bridges, which install themselves; for their tests alone, on
  the fast cluster alone. Made anew with ``tpl``, or when manifests or data of the bridges change.
"""

import contextlib
import re

from . import environment, odoo_process, odoo_source, virtualenv
from .environment import ADDONS, Problem, step
from .postgres import DURABLE, FAST

BASE_MODULES = "mrp,maintenance"
#: Odoo looks up companies at a service of its maker, by name, when a page is opened first and when a company is made; in the
#: midst of a transaction, and where nobody answers for as long as that takes. Our databases speak to nobody out there.
KEEP_TO_ITSELF = """
env['ir.config_parameter'].set_param('iap.partner_autocomplete.endpoint', 'http://127.0.0.1:9')
if 'iap_enrich_auto_done' in env['res.company']._fields:
    env['res.company'].search([]).iap_enrich_auto_done = True
"""
BUILD_ASSETS = "env['ir.qweb']._pregenerate_assets_bundles(); env.cr.commit()\n"

# 2025-01-31 12:00:00,000 4711 WARNING tpl odoo.modules.loading: what happened
LOG_LINE = re.compile(r"^\S+ \S+ \d+ (?P<level>[A-Z]+) (?P<database>\S+) (?P<logger>\S+): (?P<message>.*)$")


def set_up(fresh=False):
    """Make sure that the templates on the fast cluster are there and up to date.

    :param bool fresh: make the one with our addons anew in any case
    """
    set_up_base()
    if environment.addons():
        with environment.alone("templates"):
            _ours(fresh)


def set_up_bridges(fresh=False):
    """Make sure that the template with our bridges, and the one it is made from, are there and up to date."""
    set_up(fresh)
    if environment.bridges():
        with environment.alone("templates"):
            _bridges(fresh)


def set_up_base():
    """Make sure that the template without our addons is there."""
    FAST.start()
    with environment.alone("templates"):
        _base()


def set_up_durable():
    """Bring the templates over to the durable cluster, where that is not the same server."""
    set_up()
    if FAST.existing:
        return
    with environment.alone("templates"):
        name = ours()
        noted = FAST.databases()[FAST.database(name)]
        if DURABLE.databases().get(DURABLE.database(name)) != noted:
            with step("copying the template to the durable PostgreSQL"):
                DURABLE.copy_from(FAST, DURABLE.database(name))
            DURABLE.note(DURABLE.database(name), noted)


def ours():
    """The template with our addons, or the bare one while there are none."""
    return "tpl" if environment.addons() else "tpl_base"


def with_bridges():
    """The template with our bridges and what they couple us to."""
    return "tpl_account"


def install(cluster, database, names, log):
    """Install some of our addons, with demo data; a warning or an error in the log is a problem."""
    path = _server(
        cluster,
        database,
        ["-i", ",".join(names), "--with-demo", "--stop-after-init", "--no-http"],
        log=log,
        problem="Our addons could not be installed.",
    )
    refuse_complaints(path)


def update(cluster, database, log):
    """Bring our code into a copy by ``-u``; a warning or an error in its log is a problem.

    Odoo updates with an addon all that build on it: bridges, where they are installed, come along.
    """
    if not environment.addons():
        return
    path = _server(
        cluster,
        database,
        ["-u", ",".join(environment.addons()), "--stop-after-init", "--no-http"],
        log=log,
        problem="Our addons could not be updated (-u).",
    )
    refuse_complaints(path)


def arm(cluster, database, reason):
    """Arm a database, as a manager does: what came with demo data, or from a copy, talks to no machine until then."""
    odoo_process.run_python(
        cluster,
        odoo_process.configuration(cluster, f"arm-{database}", db_name=database),
        database,
        f"env['mrp.machine.arming']._arm({reason!r}); env.cr.commit()\n",
    )


def refuse_complaints(path):
    """Raise if a log of installing or updating holds a warning or an error that Odoo alone does not print."""
    if found := complaints(path.read_text(errors="replace"), _known_complaints()):
        text = "\n".join(f"    {line}" for line in found)
        raise Problem(f"Installing or updating our addons must not warn; {path.relative_to(environment.ROOT)}:\n{text}")


def complaints(text, known=frozenset()):
    """The warnings and errors of a log, each with the lines that follow it.

    :param str text: the log
    :param known: messages to pass over
    """
    found, taking = [], False
    for line in text.splitlines():
        if entry := LOG_LINE.match(line):
            taking = entry["level"] not in ("INFO", "DEBUG") and entry["message"] not in known
        if taking:
            found.append(line)
    return found


def _excerpt(path):
    """The errors of a log of Odoo, without its farewell; else simply its end."""
    found = complaints(path.read_text(errors="replace"), _known_complaints())
    return "\n".join(f"    {line}" for line in found[-20:]) or environment.tail(path)


def _known_complaints():
    """What Odoo warns about by itself, seen when Manufacturing and Maintenance alone were installed."""
    with contextlib.suppress(FileNotFoundError):
        text = environment.log_file("template-base").read_text(errors="replace")
        return frozenset(match["message"] for match in map(LOG_LINE.match, text.splitlines()) if match)
    return frozenset()


def _base():
    wanted = environment.fingerprint(odoo_source.version() or "", virtualenv.requirements_fingerprint(), KEEP_TO_ITSELF)
    name = FAST.database("tpl_base")
    if FAST.databases().get(name) == wanted:
        return
    with step("installing Manufacturing and Maintenance with demo data, once"):
        FAST.drop(name)
        _server(
            FAST,
            name,
            ["-i", BASE_MODULES, "--with-demo", "--stop-after-init", "--no-http"],
            log="template-base",
            problem="Odoo could not be installed into a database.",
        )
    _build_assets(name, KEEP_TO_ITSELF)
    FAST.note(name, wanted)


def _ours(fresh):
    name, base = FAST.database("tpl"), FAST.database("tpl_base")
    databases = FAST.databases()
    wanted = environment.fingerprint(databases[base], *_what_makes(environment.addons()))
    if databases.get(name) == wanted and not fresh:
        return
    part = FAST.database("tpl_arriving")
    with step("installing our addons into the template"):
        FAST.clone(base, part)
        install(FAST, part, environment.addons(), log="template-ours")
    _build_assets(part)
    FAST.clone(part, name)
    FAST.drop(part)
    FAST.note(name, wanted)


def _bridges(fresh):
    name, ours = FAST.database("tpl_account"), FAST.database("tpl")
    databases = FAST.databases()
    wanted = environment.fingerprint(databases[ours], *_what_makes(environment.bridges()))
    if databases.get(name) == wanted and not fresh:
        return
    part = FAST.database("tpl_account_arriving")
    behind = sorted({environment.BRIDGES[bridge] for bridge in environment.bridges()})
    with step(f"installing {', '.join(behind)} into a copy of the template, where our bridges install themselves"):
        FAST.clone(ours, part)
        path = _server(
            FAST,
            part,
            # The code may be newer than the template: its columns must be there before anything else is installed.
            [
                "-u",
                ",".join(environment.addons()),
                "-i",
                ",".join(behind),
                "--with-demo",
                "--stop-after-init",
                "--no-http",
            ],
            log="template-account",
            problem="Our bridges could not be installed.",
        )
    refuse_complaints(path)
    FAST.clone(part, name)
    FAST.drop(part)
    FAST.note(name, wanted)


def _what_makes(addons):
    """Files whose change ``-u`` does not carry over: manifests, and data that is loaded only once."""
    for name in addons:
        yield name
        yield ADDONS / name / "__manifest__.py"
        for folder in ("data", "demo"):
            yield from sorted(path for path in (ADDONS / name / folder).rglob("*") if path.is_file())


def _build_assets(database, before=""):
    with step("building the web client's assets in the template"):
        odoo_process.run_python(FAST, _configuration(FAST), database, before + BUILD_ASSETS)


def _configuration(cluster):
    return odoo_process.configuration(cluster, f"template-{cluster.name}")


def _server(cluster, database, arguments, *, log, problem):
    return environment.run(
        odoo_process.command(_configuration(cluster), "server", "-d", database, *arguments),
        log=log,
        problem=problem,
        excerpt=_excerpt,
        env=odoo_process.variables(cluster),
    )
