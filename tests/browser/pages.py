"""The steps of a person at the screen: open a menu, fill in a field, press a button, look whether something went wrong."""

import re
import time

from playwright.sync_api import expect

DESKTOP = {"width": 1366, "height": 900}
PHONE = {"width": 390, "height": 844}
#: What each page is opened with, as who asks for it in the settings of a telephone or computer has it. Else the sheets of a
#: phone slide in, and who scrolls to a button of one on its way dismisses the whole sheet.
STILL = {"reduced_motion": "reduce"}
#: What a page is opened with, by what a person sits or stands at.
SIZES = {"desktop": {"viewport": DESKTOP}, "phone": {"viewport": PHONE, "is_mobile": True, "has_touch": True}}

#: What holds the content of any view, also of an empty one.
CONTENT = (
    ".o_kanban_renderer, .o_list_renderer, .o_form_renderer, .o_pivot, .o_graph_renderer, .o_view_nocontent, "
    ".o_calendar_renderer, .o_activity_view, .settings"
)
PATIENCE_MS = 60_000
DIALOG = ".o_dialog .modal:not(.o_inactive_modal) .modal-content"


class Screen:
    """A page of Odoo, and what a person does on it.

    :param page: Playwright's page, logged in
    """

    def __init__(self, page):
        self.page = page
        self._asked = set()
        page.on("request", lambda request: self._asked.add(request) if "/web/dataset/" in request.url else None)
        page.on("requestfinished", lambda request: self._asked.discard(request))
        page.on("requestfailed", lambda request: self._asked.discard(request))

    # Going somewhere

    def open(self, path):
        """Open an address below /odoo and wait for its content."""
        self.page.goto(f"/odoo/{path}")
        return self.settle()

    def record(self, action, number):
        """Open the form of one record; the address is that of its action."""
        self.page.goto(f"/odoo/{action}/{number}")
        self.page.wait_for_selector(".o_form_renderer")
        return self.settle()

    def action(self, number, view=None, record=None):
        """Open an action in one of its views as a menu does, which does not load the whole page anew."""
        self.page.evaluate(
            """async ([number, view, record]) => {
                const options = { clearBreadcrumbs: true, ...(view && { viewType: view }) };
                await odoo.__WOWL_DEBUG__.root.env.services.action.doAction(
                    number, record ? { ...options, props: { resId: record } } : options);
            }""",
            [number, view, record],
        )
        return self.settle()

    def pick_up(self, *words):
        """Open the record whose card or line says all of some words."""
        shown = self.page.locator(".o_action_manager .o_kanban_record, .o_action_manager .o_data_row")
        for each in words:
            shown = shown.filter(has_text=each)
        one = shown.first
        cell = one.locator("td.o_data_cell:not(.o_list_button)").first
        (cell if cell.count() else one).click()
        self.page.wait_for_selector(".o_form_renderer")
        return self.quiet()

    def app(self, name):
        """Open an app from the list of apps."""
        self.page.click(".o_navbar_apps_menu button, .o_navbar_apps_menu .dropdown-toggle")
        self.page.get_by_role("menuitem", name=name, exact=True).click()
        return self.settle()

    def menu(self, *names):
        """Open a menu of the app by the words that people see: ``menu("Reporting", "Counts")``."""
        *groups, last = names
        for group in groups:
            self.page.locator(".o_menu_sections button", has_text=re.compile(f"^{re.escape(group)}$")).click()
            self.page.get_by_role("menuitem", name=last, exact=True).click()
        if not groups:
            self.page.locator(
                ".o_menu_sections > a, .o_menu_sections > *", has_text=re.compile(f"^{re.escape(last)}$")
            ).first.click()
        return self.settle()

    def settle(self):
        """Wait until the screen has its content and nothing is on its way any more."""
        self.page.wait_for_selector(f".o_action_manager :is({CONTENT}), {DIALOG}")
        return self.quiet()

    def quiet(self):
        """Wait until the web client waits for no answer, and letters and pictures are there.

        What is typed while an answer is on its way can be lost to a machine that is quicker than any hand.
        """
        deadline = time.monotonic() + PATIENCE_MS / 1000
        self.page.wait_for_timeout(30)  # what was just done is asked for in the next moment
        while self._asked:
            assert time.monotonic() < deadline, f"no answer: {[request.url for request in self._asked]}"
            self.page.wait_for_timeout(10)
        self.page.wait_for_function(
            "() => !document.querySelector('.o_loading_indicator, .o_blockUI') && document.fonts.status === 'loaded'"
        )
        self.check()
        return self

    # Filling in

    def inside(self):
        """What a person can touch: the dialog on top, or else the screen."""
        dialog = self.page.locator(DIALOG)
        return dialog.last if dialog.count() else self.page.locator(".o_action_manager")

    def field(self, name):
        return self.inside().locator(f'.o_field_widget[name="{name}"]:visible').first

    def fill(self, name, value):
        """Write into a field and leave it."""
        box = self.field(name).locator("input, textarea").first
        box.fill(str(value))
        box.press("Tab")
        return self.quiet()

    def choose(self, name, text):
        """Choose a record by typing a part of its name."""
        box = self.field(name).locator("input").first
        offers_dialog = box.get_attribute("readonly") is not None  # as a phone does
        box.click()
        if offers_dialog:
            dialog = self.page.locator(DIALOG, has=self.page.locator(".o_kanban_renderer, .o_list_renderer"))
            dialog.locator(".o_kanban_record, .o_data_row").filter(has_text=text).first.click()
            dialog.wait_for(state="detached")
            return self.quiet()
        box.fill(text)
        option = self.page.locator(".o-autocomplete--dropdown-item, .o_select_menu_item").filter(has_text=text)
        option.first.click()
        # A search that was on its way opens the list once more.
        box.press("Tab")
        self.page.locator(".o-autocomplete--dropdown-menu").wait_for(state="detached")
        return self.quiet()

    def pick(self, name, text):
        """Pick one of the words of a radio button or of a list of words."""
        widget = self.field(name)
        if widget.locator(".o_radio_item").count():
            widget.get_by_label(text, exact=True).check()
        elif widget.locator("select").count():
            widget.locator("select").select_option(label=text)
        else:
            return self.choose(name, text)
        return self

    def press(self, name):
        """Press a button by the method it calls."""
        button = f'button[name="{name}"]:visible, a[name="{name}"]:visible'
        if self.inside().locator(button).count():
            self.inside().locator(button).first.click()
            return self.quiet()
        # Where the window is too narrow for all: those of the form behind one button, those above it behind another.
        for folded in (".o_statusbar_buttons .o-dropdown:visible", ".o_button_more:visible"):
            opener = self.inside().locator(folded)
            if opener.count():
                opener.first.click()
                menu = self.page.locator(".o-dropdown--menu, .o_bottom_sheet").last
                menu.wait_for()
                if menu.locator(button).count():
                    menu.locator(button).first.click()
                    return self.quiet()
                self.page.keyboard.press("Escape")
                menu.wait_for(state="detached")
        self.inside().locator(button).first.click()  # it may come yet
        return self.quiet()

    def tab(self, name):
        """Turn to a page of the form."""
        self.inside().locator(f'.o_notebook_headers a[name="{name}"]').click()
        return self

    def stage(self, name):
        """Move the record on to a stage, by the bar above the form or, where there is no room for it, by its list."""
        bar = self.inside().locator(".o_statusbar_status")
        if not bar.get_by_role("radio", name=name, exact=True).locator("visible=true").count():
            bar.locator(".dropdown-toggle:visible").last.click()
            self.page.locator(".o-dropdown--menu").get_by_text(name, exact=True).click()
        else:
            bar.get_by_role("radio", name=name, exact=True).locator("visible=true").click()
        return self.quiet()

    def save(self):
        """Save the form, where there is anything to save."""
        button = self.page.locator(".o_form_button_save:visible")
        if button.count():
            button.click()
            expect(button).to_have_count(0)
        return self.quiet()

    # Looking

    def text(self):
        return self.inside().inner_text()

    def expect(self, words):
        """Wait for words on the screen or dialog."""
        pattern = words if isinstance(words, re.Pattern) else re.compile(re.escape(words))
        expect(self.page.locator(f".o_action_manager, {DIALOG}").filter(has_text=pattern).last).to_be_visible(
            timeout=PATIENCE_MS
        )
        return self.quiet()

    def wait_until(self, happened, what, seconds=60, look=None):
        """Look again and again until something is true; what it was is returned.

        :param happened: function
        :param str what: what we wait for
        :param look: what to do before each look, such as loading the page anew
        """
        deadline = time.monotonic() + seconds
        while True:
            if look:
                look()
            if found := happened():
                return found
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n{self.text()[:2000]}"
            self.page.wait_for_timeout(200)

    def check(self):
        """Fail if Odoo shows a traceback or a crashed action."""
        for crash in self.page.locator(".o_error_dialog").all():  # a refusal in words is one too
            words = crash.inner_text()
            assert not re.search("Oops|Traceback|Server Error|technical details", words), f"a crash: {words[:3000]}"
        return self

    def fits(self):
        """Fail if one has to scroll sideways."""
        assert (wide := self.overflows()) <= 0, f"{wide} px wider than the window"
        return self

    def overflows(self):
        """How many pixels the page is wider than the window; more than none means scrolling sideways."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def call(self, model, method, *args, **kwargs):
        """Call a method of a model as the web client does, and return what it answers."""
        call = {"model": model, "method": method, "args": args, "kwargs": kwargs}
        body = {"jsonrpc": "2.0", "method": "call", "params": call}
        answer = self.page.request.post(f"/web/dataset/call_kw/{model}/{method}", data=body).json()
        assert "error" not in answer, answer
        return answer["result"]

    def ids(self, model, domain=(), **kwargs):
        return self.call(model, "search", list(domain), **kwargs)

    def menus(self, root="mrp_machine_connect.mrp_machine_connect_menu_root"):
        """Return ``[(names, external identifier, id of the action)]`` of an app, in the order in which people see them."""
        found = self.page.request.get("/web/webclient/load_menus").json()
        return list(_leaves(found, next(menu for menu in found.values() if menu.get("xmlid") == root)))


def _leaves(found, menu, names=()):
    for child in menu["children"]:
        entry = found[str(child)]
        here = (*names, entry["name"])
        if entry["children"]:
            yield from _leaves(found, entry, here)
        else:
            yield here, entry["xmlid"], entry["actionID"]
