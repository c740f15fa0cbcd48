"""Fixtures for tests that look at the screens as people do: Chromium, driven against servers of their own."""

import contextlib
import os
import uuid

import pytest
from playwright.sync_api import sync_playwright

from devtools import odoo_process, postgres, runner, template
from devtools.environment import LOGS, safe_name
from tests.integration import processes

from .pages import DESKTOP, STILL

CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
PATIENCE_MS = 60_000  # the first page after a change of our code waits for its assets

UPDATE_APPS = "env['ir.module.module'].update_list(); env.cr.commit()\n"


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    path = runner.chromium()
    assert path, f"Chromium is missing: {runner.CHROMIUM_COMMAND}"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=CHROMIUM_ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def odoo_server():
    """An Odoo server with our addons as the code is now, and the demo data; all tests of a run share it."""
    with _database(template.ours(), f"browser_{os.getpid()}") as name:
        template.update(postgres.FAST, name, log=f"update-{name}")
        template.arm(postgres.FAST, name, "Tests: its machines are simulated.")
        # Odoo's bot greets whoever comes first, in a window that lies on a phone's page; also those whom a test makes.
        postgres.FAST.query(
            name,
            """UPDATE res_users SET odoobot_state = 'disabled';
               INSERT INTO ir_default (field_id, json_value)
               SELECT id, '"disabled"' FROM ir_model_fields WHERE model = 'res.users' AND name = 'odoobot_state'""",
        )
        yield from _serve(name)


@pytest.fixture
def bare_server():
    """An Odoo server with Manufacturing and Maintenance alone, and our addons listed in Apps; one for each test."""
    with _database("tpl_base", f"bare_{uuid.uuid4().hex[:8]}") as name:
        configuration = odoo_process.configuration(postgres.FAST, f"test-{name}", db_name=name)
        odoo_process.run_python(postgres.FAST, configuration, name, UPDATE_APPS)
        configuration.unlink()
        # Odoo activates nothing while one of its scheduled actions runs, and at first all of them are due.
        yield from _serve(name, max_cron_threads=0)


@pytest.fixture
def page(open_page, odoo_server):
    """A page of the shared server, logged in as admin."""
    return open_page(odoo_server)


@pytest.fixture
def open_page(browser, request):
    """Function that opens a page of any server, logged in: ``open_page(server, viewport={"width": 390, …})``.

    An error that a page prints into its console fails the test, and of a failed test pictures are kept.
    """
    contexts, errors = [], []

    def open_one(server, login="admin", viewport=DESKTOP, **options):
        context = browser.new_context(base_url=server.url, viewport=viewport, locale="en-US", **STILL, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        log_in(page, login)
        return page

    yield open_one
    failed = request.node.stash.get(FAILED, False)
    for number, page in enumerate(page for context in contexts for page in context.pages):
        if failed:
            folder = LOGS / "screenshots"
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"{safe_name(request.node.name)}-{number}.png")
    for context in contexts:
        context.close()
    assert errors == [] or failed, f"the page printed errors: {errors}"


def log_in(page, login="admin", password=None):
    """Log in and wait for the web client."""
    page.goto("/web/login")
    page.fill("#login", login)
    page.fill("#password", password or login)
    page.press("#password", "Enter")
    page.wait_for_selector(".o_main_navbar")


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@contextlib.contextmanager
def _database(source, name):
    """A copy of a template on the fast cluster."""
    name = postgres.FAST.database(name)
    postgres.FAST.clone(postgres.FAST.database(source), name)
    try:
        yield name
    finally:
        postgres.FAST.drop(name)


def _serve(name, max_cron_threads=1):
    server = processes.OdooServer(postgres.FAST, name, max_cron_threads=max_cron_threads)
    try:
        yield server.start()
    finally:
        server.close()
