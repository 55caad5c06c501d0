"""A listener for what is tested without a console."""

from __future__ import annotations


class Silent:
    """A listener that drops everything but remembers the notices."""

    def __init__(self):
        self.notices = []

    def begin(self, title): ...

    def done(self, outcome): ...

    def notice(self, notice):
        if notice not in self.notices:
            self.notices.append(notice)

    before = notice

    def note(self, text): ...

    def transfer(self, layer, status, current, total): ...

    def confirm(self, question, *, default=False):
        del question, default

    def ask_secret(self, question):
        del question
