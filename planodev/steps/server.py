"""Have the container and its volume as they are wanted, without ever touching what is not ours."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planodev import work as works
from planodev.engines import Desired, NameTaken, PortTaken, Server, planning
from planodev.problems import Conflict, Problem
from planodev.project import credentials
from planodev.project.identity import Owner
from planodev.project.settings import Setting
from planodev.result import Outcome
from planodev.steps import access

if TYPE_CHECKING:
    from planodev.engines import Observed
    from planodev.work import Work

# A port can be lost between the look and the start; after so many the machine is not one to start on.
ATTEMPTS = 10


class StartPostgres:
    """Create, start, replace or leave the container; the volume outlives every one of them."""

    title = "Starting Postgres"

    def run(self, work: Work) -> Outcome:
        observed = work.observed
        if work.proved and observed.container:  # and its image is still the one of that name
            return Outcome("unchanged", observed.container.name, f"on port {work.port}")
        if not observed.volume and observed.namesakes and not work.settings.name.asked:
            raise self._namesake(work)
        held = observed.volume is not None
        observed = self._without_a_never_ready_volume(work)
        work.container, work.volume = observed.container, observed.volume
        desired = self._desired(work)
        decided = planning.plan(desired, observed)
        if decided.action == "unchanged":
            work.port = desired.port
            self._password(work)
            return Outcome("unchanged", desired.name, f"on port {desired.port}")
        self._explain(work, decided, made_anew=held and observed.volume is None)
        self._password(work)
        if work.dry_run:
            would = {"start": "would be started", "create": "would be created", "replace": "would be replaced"}
            work.port = desired.port
            return Outcome(would[decided.action], desired.name, f"on port {desired.port}")
        if work.mode == "docker":
            # There already, but for an image that had to be pulled first.
            work.engine.begin_ahead(work.settings.image.value, work.mode, work.settings.timeout.value + 60)
        action = self._carry_out(work, decided.action, desired)
        verb = {"start": "started", "create": "created", "replace": "replaced"}[action]
        return Outcome(verb, work.have().name, f"on port {work.port}")

    def _explain(self, work: Work, decided: planning.Plan, *, made_anew: bool) -> None:
        if decided.action == "replace":
            for reason in decided.reasons:
                work.progress.note(f"the {work.engine.wording.server} is replaced, the data kept: {reason}")
        elif decided.action == "create" and decided.reasons and not work.options.get("adopt"):
            work.progress.note(f"the {work.engine.wording.server} is made again: {decided.reasons[0]}")
        elif decided.action == "create" and not made_anew and not _moves(work) and work.lost_data:
            work.progress.note(
                "this project had a database, and its data is gone from the engine: an empty one is made"
            )

    def _without_a_never_ready_volume(self, work: Work) -> Observed:
        """Drop what was killed in its first seconds: it looks healthy and would refuse everyone for ever."""
        observed, image = work.observed, work.settings.image.value
        there = work.engine.image_id(image)  # not in a dry run that would pull it
        if not there or not observed.volume or work.engine.was_ready(observed.volume, image):
            return observed
        data = work.engine.wording.data
        work.progress.note(f"the {data} `{observed.volume.name}` was never ready and holds nothing: made anew")
        if work.dry_run:
            return replace(observed, container=None, volume=None)
        if observed.container:
            work.engine.remove_container(observed.container)
        work.engine.remove_volume(observed.volume)
        work.observed = work.engine.observe(work.project, work.project_id)  # its port and names are free again
        return work.observed

    def _desired(self, work: Work) -> Desired:
        observed, chosen = work.observed, work.settings
        if work.mode == "native" and not work.engine.info.local:
            endpoint = work.engine.info.endpoint
            raise Conflict(
                "native-needs-local-engine",
                "a native Plano could not reach this database",
                why=f"the engine at `{endpoint}` is on another machine, and publishes on that one's loopback",
                fix="`planodev up --plano docker`, or an engine on this machine (`docker context use default`)",
            )
        addresses = work.engine.addresses(work.mode, chosen.image.value)
        image_id = work.engine.image_id(chosen.image.value) or ""
        have = observed.container
        name = planning.choose_name(chosen.name, work.project.slug, work.project_id, observed.taken)
        if have and have.state in ("running", "paused") and have.port == chosen.port.value:
            return Desired(name, chosen.image.value, image_id, have.port, addresses)
        port = self._free_port(work, chosen.port, addresses)
        return Desired(name, chosen.image.value, image_id, port, addresses)

    def _free_port(self, work: Work, wanted: Setting[int], addresses: tuple[str, ...]) -> int:
        own = work.observed.container.port if work.observed.container else None
        running = work.observed.container is not None and work.observed.container.state in ("running", "paused")

        def holder(port: int) -> str | None:
            return None if running and port == own else work.engine.port_holder(port, addresses)

        port, other = planning.choose_port(wanted, holder)
        if other:
            work.progress.notice(
                Problem(
                    "port-moved",
                    f"port {wanted.value} is taken by {other}, using {port} instead",
                    f"`planodev up --port {work.settings.port.value}` once it is free",
                )
            )
        return port

    def _carry_out(self, work: Work, action: str, desired: Desired) -> str:
        """Do it, and return what was done in the end."""
        have = work.observed.container
        if action == "start" and have:
            try:
                work.engine.start(have)
            except PortTaken:
                action = "replace"
                lost = f"port {desired.port} was lost to another"
                work.progress.note(f"the {work.engine.wording.server} is replaced, the data kept: {lost}")
            else:
                work.port = desired.port
                self._look_again(work)
                return action
        if action == "replace" and have:
            work.engine.stop(have, work.settings.timeout.value)
            work.engine.remove_container(have)
        self._create(work, desired)
        return action

    def _create(self, work: Work, desired: Desired) -> None:
        volume, port, name = work.observed.volume, desired.port, desired.name
        work.superuser = volume.superuser if volume else work.user
        for _ in range(ATTEMPTS):
            server = Server(
                name=name,
                volume=volume.name if volume else self._volume_name(work, name),
                image=desired.image,
                port=port,
                addresses=desired.addresses,
                owner=Owner(work.project_id, str(work.project.path), work.project.inode),
                superuser=work.superuser,
                database=volume.database if volume else work.database,
                plano=work.mode,
                password=work.password or "",
            )
            try:
                work.engine.create(server)
            except NameTaken as taken:
                # Another project was a moment faster.
                self._refuse_asked("name", name, work.settings.name, taken)
                self._look_again(work)
                volume = work.observed.volume
                name = planning.choose_name(work.settings.name, work.project.slug, work.project_id, work.observed.taken)
            except PortTaken as taken:
                self._refuse_asked("port", port, work.settings.port, taken)
                lost, source = port, work.settings.port.source
                port = self._free_port(work, Setting(lost, source), desired.addresses)
                if port == lost:  # an engine elsewhere knows who has it, and this machine does not
                    port = self._free_port(work, Setting(lost + 1, source), desired.addresses)
            else:
                work.port = port
                self._look_again(work)
                if volume is None:
                    work.ahead = access.Ahead(work)
                return
        raise Conflict(
            "port-taken", "no port stayed free", why=f"{ATTEMPTS} were lost to others", fix="`planodev up` again"
        )

    def _refuse_asked(self, what: str, value: object, wanted: Setting[Any], taken: Exception) -> None:
        if wanted.asked:
            text = f"{what} {value} is taken" if what == "port" else f"the {what} `{value}` is taken"
            fix = f"`planodev up --{what} {'N' if what == 'port' else 'NAME'}` with a free one"
            raise Conflict(f"{what}-taken", text, why=str(taken), fix=fix) from taken

    def _look_again(self, work: Work) -> None:
        work.observed = work.engine.observe(work.project, work.project_id)
        work.container, work.volume = work.observed.container, work.observed.volume
        if not _moves(work):
            works.remember(work)

    def _volume_name(self, work: Work, name: str) -> str:
        wanted = f"{name}-data"
        return wanted if wanted not in work.observed.taken else f"{wanted}-{work.project_id}"

    def _password(self, work: Work) -> None:
        if work.wanted.password is not None:
            work.password, work.password_is = work.wanted.password, "kept"
        elif work.observed.container and (kept := work.engine.kept_password(work.observed.container)):
            work.password, work.password_is = kept, "recovered (what the server was made with)"
        else:
            work.password, work.password_is = credentials.generate_password(), "generated"

    def _namesake(self, work: Work) -> Conflict:
        names = ", ".join(f"`{volume.name}`" for volume in work.observed.namesakes)
        return Conflict(
            "data-of-another-checkout",
            f"the {work.engine.wording.data} {names} was made for another checkout at `{work.project.path}`",
            why="nothing in this checkout says that the data is its own, and two checkouts never share a database",
            fix=f"`planodev up --name {work.settings.name.value}-{work.project.slug}` makes a new database beside it",
        )


def _moves(work: Work) -> bool:
    """Say whether the data is still in another engine, and on its way here."""
    return bool(work.engine_choice and work.engine_choice.data_elsewhere)
