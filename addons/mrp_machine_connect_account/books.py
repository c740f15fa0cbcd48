"""Where does what a machine did stand in the books? At its own moment, on its own day or the first open one."""

#: In a context: the :class:`Books` of the effect that is being brought about.
BOOKS = "machine_books"


class Books:
    """One effect and what became of its dates. Part of a context, so two of these are never the same.

    :param machine: whose effect it is, as the service user sees it
    :param moment: when the last of its events occurred: naive UTC
    """

    def __init__(self, machine, moment):
        self.machine, self.moment = machine, moment
        #: Days on which entries were dated instead of their own, and up to when their own was locked.
        self.put_off = {}
