"""The page of a run while it goes on, from a small server of this machine: `xautolm watch`.

The server only reads what the search writes into the run's folder; neither knows of the other. A trial's scores are
read twice a second and sent by server-sent events; the whole page, which takes seconds to make, is made anew when a
trial has ended, in a small share of the time, so that it takes no processor from the trials.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

from xautolm.artifacts import page_content
from xautolm.budget import Used
from xautolm.errors import (
    DamagedFileError,
    NoModelError,
    RunFolderError,
    StoreError,
    UsageError,
    XAutoLMError,
)
from xautolm.local_server import LocalHandler, LocalServer, RefusedRequestError
from xautolm.objectives import lead_of, pareto_front, recorded_objectives
from xautolm.records import Budget, Experience, Mark, TrialSpec
from xautolm.report import Standing
from xautolm.report.page import (
    STORE_ADDRESS,
    Link,
    RunGlance,
    State,
    StoreFilter,
    comparison,
    html_sections,
    live_page,
    now_section,
    overview,
    report_sections,
    store_fields,
    store_sections,
)
from xautolm.report.page.blocks import Section, Text
from xautolm.run_folder import RunFolder, RunInfo, checked_outcome, checked_spec, experience_of
from xautolm.serialization import read_record
from xautolm.store_view import StoreView
from xautolm.trial_folder import TrialFolder
from xautolm.vocabulary import Stage

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Between two looks at a run: a score is shown within that time, and what it takes to look."""
REPORT_SECONDS = 10.0
"""Between two makings of the whole page of a search that goes on, at least."""
REPORT_SHARE = 0.05
"""Of the time that may go into making it: it takes seconds, of a processor that the trials need."""
SILENCE_SECONDS = 20.0
"""After which a search that has not ended is said to be silent: it notes its time every second."""
HEARTBEAT_SECONDS = 15.0
"""Between two signs of life on a connection without news: by them, the server finds that a browser went away."""
NAME_ERRORS = "surrogateescape"
"""How Python keeps the bytes of a folder's name that are no UTF-8; so they come through an address as well."""
HTML_TYPE = "text/html; charset=utf-8"
SCRIPT_TYPE = "text/javascript; charset=utf-8"
EVENTS_TYPE = "text/event-stream"
STORE_LINK = Link(text="Experience store", address=STORE_ADDRESS)
SAFE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
"""What every answer says: no other page may show ours in a frame, and nothing is kept."""


@dataclass(slots=True)
class Watch:
    """Read a run over and over; a trial that has ended is read once.

    Several browsers share it, each in a thread of its own.
    """

    folder: RunFolder
    ended: dict[int, Experience] = field(default_factory=dict)
    specs: dict[int, TrialSpec] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    report_lock: threading.Lock = field(default_factory=threading.Lock)
    looked: float = -LOOK_SECONDS
    """When the run was read last, on the monotonic clock."""
    seen: tuple[RunInfo, Standing, State] | None = None
    """What was read then."""
    report: str = ""
    """The whole page, as it was made last."""
    report_version: object = None
    """What it was made from."""
    report_due: float = 0.0
    """From when on it may be made again, on the monotonic clock."""

    def look(self) -> tuple[RunInfo, Standing, State]:
        """Return what the run is about, how it stands and what it does.

        Raises:
            RunFolderError: Nobody can say what it is about, or what it holds makes no sense.
        """
        with self.lock:
            now = time.monotonic()
            if self.seen is None or now - self.looked >= LOOK_SECONDS / 2:
                try:
                    self.seen = self._read()
                except XAutoLMError:
                    raise
                # Files of another version, or edited by hand, may lack anything, and the list of many runs must not
                # end at one of them.
                except Exception as error:
                    logger.info("a run could not be read", exc_info=True)
                    raise RunFolderError(
                        "What the run holds makes no sense.",
                        got=f"{self.folder.root}: {type(error).__name__}: {error}",
                        fix="Restore its files from a copy.",
                    ) from error
                self.looked = now
            return self.seen

    def now(self) -> Section:
        """Return how the run stands."""
        info, standing, state = self.look()
        return now_section(standing, state, info.metrics)

    def version(self) -> object:
        """Return what changes when the whole page does."""
        _, standing, state = self.look()
        return len(standing.experiences), state.word, _time_of(self.folder.results)

    def is_report_due(self, version: object) -> bool:
        """Return whether the whole page is to be made anew for who has that version of it."""
        newest = self.version()
        if version == newest:
            return False
        return self.report_version == newest or time.monotonic() >= self.report_due

    def report_html(self) -> str:
        """Return the whole page's sections; a sentence where there is nothing to report yet."""
        with self.report_lock:
            version = self.version()
            _, _, state = self.look()
            # A page that is not quite new is better than a search that is slowed down.
            is_early = time.monotonic() < self.report_due and not state.is_over
            if self.report and (version == self.report_version or is_early):
                return self.report
            begin = time.monotonic()
            self.report = self._report()
            self.report_version = version
            seconds = time.monotonic() - begin
            pause = max(REPORT_SECONDS, seconds / REPORT_SHARE)
            self.report_due = time.monotonic() + pause
            return self.report

    def _report(self) -> str:
        """Make the whole page's sections."""
        try:
            return report_sections(page_content(self.folder))
        except NoModelError:
            return _sentence("It comes here when the first trial has ended.")
        except XAutoLMError as error:
            return _sentence(str(error))
        # A search may replace files, `best/` above all, while they are read.
        except Exception as error:
            logger.info("the page could not be made", exc_info=True)
            return _sentence(f"The whole page could not be made now ({type(error).__name__}).")

    def _read(self) -> tuple[RunInfo, Standing, State]:
        """Read the run."""
        info = self.folder.info()
        objectives = recorded_objectives(info)
        running: dict[int, TrialSpec] = {}
        for number in self.folder.numbers():
            if number in self.ended:
                continue
            trial = TrialFolder(self.folder.trial(number))
            spec = self._spec(trial, number)
            if spec is None:
                continue
            experience = _experience(info, trial, spec)
            if experience is None:
                running[number] = spec
            else:
                self.ended[number] = experience
                self.specs.pop(number, None)
        experiences = [self.ended[number] for number in sorted(self.ended)]
        marks = self.folder.marks()
        state = self._state(marks, running)
        # Those of a search that is over, or was killed, run no more.
        if state.is_over:
            running = {}
        standing = Standing(
            lead=lead_of(objectives), folder=self.folder, experiences=experiences, running=running
        )
        outcomes = {experience.trial: experience.outcome for experience in experiences}
        standing.front = pareto_front(outcomes, objectives)
        _give_clock(standing, _budget_of(marks), self._seconds_used())
        return info, standing, state

    def _spec(self, trial: TrialFolder, number: int) -> TrialSpec | None:
        """Return the order of a trial; None where it cannot be read, or not yet."""
        if number not in self.specs:
            try:
                self.specs[number] = checked_spec(trial, number)
            except DamagedFileError:
                return None
        return self.specs[number]

    def _seconds_used(self) -> float:
        """Return the seconds that the search has used; 0 where that cannot be read."""
        try:
            return read_record(Used, self.folder.clock).seconds
        except DamagedFileError:
            return 0.0

    def _state(self, marks: Sequence[Mark], running: Mapping[int, TrialSpec]) -> State:
        """Return what the search does, told from its marks and from when it wrote last."""
        if not marks:
            return State(word="unknown", detail="the run does not say when it began")
        stage = marks[-1].stage
        if stage is Stage.END:
            return State(word="over", detail=f"since {_clock_time(marks[-1].time)}", is_over=True)
        if stage is Stage.SCORING:
            # Nothing is noted meanwhile, so that a search that was killed here is told by the time alone.
            since = _clock_time(marks[-1].time)
            detail = f"the winner, on rows that no trial was trained on, since {since}"
            return State(word="scoring", detail=detail)
        written = [self.folder.clock, self.folder.timeline]
        written += [TrialFolder(self.folder.trial(number)).progress for number in running]
        silence = time.time() - max(_time_of(path) for path in written)
        if silence > SILENCE_SECONDS:
            return State(
                word="silent",
                detail=f"for {silence:.0f} s: it was killed; the same command goes on from here",
                is_over=True,
            )
        if stage is Stage.REFIT:
            since = _clock_time(marks[-1].time)
            detail = f"the winner once more, on all rows, since {since}"
            return State(word="training", detail=detail)
        if stage is Stage.START_UP:
            return State(word="starting", detail="data, models and every check")
        return State(word="running", detail=f"since {_clock_time(marks[-1].time)}")


def _experience(info: RunInfo, trial: TrialFolder, spec: TrialSpec) -> Experience | None:
    """Return the experience of a trial that has ended; None for one that runs, or whose result cannot be read."""
    if not trial.result.exists():
        return None
    try:
        outcome = checked_outcome(trial, info.objectives)
    except DamagedFileError:
        return None
    return experience_of(info, spec, outcome, trial)


def _budget_of(marks: Sequence[Mark]) -> Budget:
    """Return the budget of the last invocation."""
    budgets = [mark.budget for mark in marks if mark.budget is not None]
    return budgets[-1] if budgets else Budget()


def _give_clock(standing: Standing, budget: Budget, used: float) -> None:
    """Let a standing say what of the budget is used and left."""
    standing.used = used
    if budget.seconds is not None:
        standing.left = max(0.0, budget.seconds - used)
    if budget.trials is not None:
        counted = sum(experience.outcome.is_evidence for experience in standing.experiences)
        standing.trials_left = max(0, budget.trials - counted - len(standing.running))


def _time_of(path: Path) -> float:
    """Return when a file was written last, in seconds of the epoch; 0 where it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _clock_time(text: str) -> str:
    """Return a time of a record as a clock on the wall shows it here."""
    return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")


def _sentence(text: str) -> str:
    """Return a section that says something instead of the page."""
    section = Section(anchor="whole", title="The whole page", blocks=[Text(text=text)])
    return html_sections([section])


class WatchServer(LocalServer):
    """Serves the page of a run, or the pages of the runs in a folder, until it is closed.

    Args:
        root: A run's folder, or a folder of such.
        port: Of this machine; 0 for any that is free.
        store: A file or a database URL; that of the settings if None. It is opened when its page is asked for.

    Raises:
        UsageError: There is no run; the port is in use.
    """

    def __init__(self, root: Path, port: int, store: str | None = None) -> None:
        # Without `..`, which an address does not keep, and which is no name for people.
        self.root = root.resolve()
        self.is_single = RunFolder(self.root).is_run()
        self.watches: dict[str, Watch] = {}
        self.watches_lock = threading.Lock()
        self.is_closing = threading.Event()
        self.store = StoreView(store)
        if not self.names():
            raise UsageError(
                "There is no run here, and no folder of runs.",
                got=root,
                fix="Give the --out folder of a fit, or the folder that holds several.",
            )
        super().__init__(port, WatchHandler)

    def names(self) -> list[str]:
        """Return the names of the runs, sorted; read anew, since a search may begin at any time."""
        if self.is_single:
            return [self.root.name]
        try:
            folders = sorted(path for path in self.root.iterdir() if path.is_dir())
        except OSError:
            return []
        return [path.name for path in folders if RunFolder(path).is_run()]

    def watch(self, name: str) -> Watch:
        """Return what reads a run.

        Raises:
            RefusedRequestError: There is no run of that name.
        """
        # Only what is listed is looked at, so that no name leads out of the folder.
        if name not in self.names():
            raise RefusedRequestError(HTTPStatus.NOT_FOUND, f"There is no run {name!r} here.")
        with self.watches_lock:
            if name not in self.watches:
                path = self.root if self.is_single else self.root / name
                self.watches[name] = Watch(RunFolder(path))
            return self.watches[name]

    def glance(self, name: str) -> RunGlance:
        """Return a run as a list shows it.

        Raises:
            RefusedRequestError: There is no run of that name.
            RunFolderError: Nobody can say what it is about.
        """
        info, standing, state = self.watch(name).look()
        return RunGlance(
            name=name, info=info, standing=standing, state=state, address=address_of(name)
        )

    def server_close(self) -> None:
        """Close the port, and let the connections that wait for news end."""
        self.is_closing.set()
        super().server_close()


def address_of(name: str) -> str:
    """Return the path of a run's page."""
    return f"/runs/{quote(name, safe='', errors=NAME_ERRORS)}/"


class WatchHandler(LocalHandler):
    """Answers the requests of one connection."""

    server: WatchServer

    def do_GET(self) -> None:
        """Answer a request, whatever it asks."""
        try:
            self.check_host()
            self._answer()
        except RefusedRequestError as refused:
            self._page(refused.status, "xautolm", str(refused))
        # A run that cannot be read: a page says so, as the command line would.
        except XAutoLMError as error:
            self._page(HTTPStatus.OK, "xautolm", str(error))

    def _answer(self) -> None:
        """Send what was asked for.

        Raises:
            RefusedRequestError: There is no such thing.
        """
        place, _, query = self.path.partition("?")
        path = [unquote(part, errors=NAME_ERRORS) for part in place.split("/") if part]
        match path:
            case [] if self.server.is_single:
                self._run_page(self.server.root.name)
            case []:
                self._list_page()
            case ["runs", name]:
                self._run_page(name)
            case ["runs", name, "now"]:
                self._html(html_sections([self.server.watch(name).now()]))
            case ["runs", name, "report"]:
                self._html(self.server.watch(name).report_html())
            case ["runs", name, "events"]:
                self._events(self.server.watch(name))
            case ["compare"]:
                self._compare(parse_qs(query).get("run", []))
            case ["store"]:
                self._store_page(parse_qs(query))
            case ["plotly.js"]:
                self._plotly()
            case _:
                raise RefusedRequestError(HTTPStatus.NOT_FOUND, "There is no such page.")

    def _run_page(self, name: str) -> None:
        """Send the page of a run: how it stands at once, the whole page when the browser asks for it."""
        watch = self.server.watch(name)
        info, _, _ = watch.look()
        links = [STORE_LINK]
        if not self.server.is_single:
            links.insert(0, Link(text="All runs", address="/"))
        page = live_page(
            f"{info.data.name}: {info.task}", [watch.now()], links=links, address=address_of(name)
        )
        self._html(page)

    def _list_page(self) -> None:
        """Send the list of the runs."""
        glances = []
        troubles = []
        for name in self.server.names():
            try:
                glances.append(self.server.glance(name))
            except XAutoLMError as error:
                words = " ".join(str(error).split())
                troubles.append(f"{name} cannot be shown: {words}")
        glances.sort(key=lambda glance: glance.info.created, reverse=True)
        names = [glance.name for glance in glances]
        form = names if len(names) > 1 else []
        page = live_page(
            f"Runs in {self.server.root.name}",
            [overview(glances, troubles)],
            links=[STORE_LINK],
            form=form,
        )
        self._html(page)

    def _compare(self, names: Sequence[str]) -> None:
        """Send some runs beside each other.

        Raises:
            RefusedRequestError: Fewer than two are named.
        """
        if len(names) < 2:
            raise RefusedRequestError(
                HTTPStatus.BAD_REQUEST, "Name two runs: /compare?run=first&run=second."
            )
        glances = [self.server.glance(name) for name in names]
        links = [Link(text="All runs", address="/")]
        links += [Link(text=glance.name, address=glance.address) for glance in glances]
        self._html(live_page("Runs beside each other", [comparison(glances)], links=links))

    def _store_page(self, query: Mapping[str, Sequence[str]]) -> None:
        """Send what the experience store holds, as far as it is asked for.

        Raises:
            RefusedRequestError: Something is asked for that no experience has.
        """
        names = set(StoreFilter.__dataclass_fields__)
        unknown = set(query) - names
        if unknown:
            raise RefusedRequestError(
                HTTPStatus.BAD_REQUEST, f"Experiences are filtered by {', '.join(sorted(names))}."
            )
        asked = StoreFilter(**{name: values[-1] for name, values in query.items()})
        back = Link(text="The run" if self.server.is_single else "All runs", address="/")
        try:
            content = self.server.store.content(asked)
        except StoreError as error:
            # Before the first search that learns there is none, which is no reason to make one.
            trouble = Section(anchor="store", title="The store", blocks=[Text(text=str(error))])
            self._html(live_page("Experience store", [trouble], links=[back]))
            return
        page = live_page(
            "Experience store",
            store_sections(content),
            links=[back],
            fields=store_fields(content),
        )
        self._html(page)

    def _events(self, watch: Watch) -> None:
        """Tell a browser of every change, until it goes away or the server is closed."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", EVENTS_TYPE)
        for name, value in {**SAFE_HEADERS, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        shown = ""
        version: object = None
        spoken = time.monotonic()
        while not self.server.is_closing.wait(LOOK_SECONDS):
            is_due = False
            try:
                html = html_sections([watch.now()])
                is_due = watch.is_report_due(version)
                newest = watch.version()
            # Its files may be damaged, or moved away, while it is watched.
            except XAutoLMError as error:
                html = _sentence(str(error))
            if html != shown:
                shown = html
                self._event("now", html)
                spoken = time.monotonic()
            if is_due:
                version = newest
                self._event("report", "")
                spoken = time.monotonic()
            if time.monotonic() - spoken > HEARTBEAT_SECONDS:
                self.wfile.write(b": still here\n\n")
                spoken = time.monotonic()

    def _event(self, kind: str, data: str) -> None:
        """Send an event; as JSON, its data has no line breaks, which would end it."""
        self.wfile.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        self.wfile.flush()

    def _plotly(self) -> None:
        """Send the library that draws pictures, which a browser may keep for the day."""
        from plotly.offline import get_plotlyjs

        headers = {**SAFE_HEADERS, "Cache-Control": "max-age=86400"}
        content = get_plotlyjs().encode()
        self.reply(HTTPStatus.OK, content, SCRIPT_TYPE, headers)

    def _html(self, html: str) -> None:
        """Send a page, or a part of one."""
        # Names from outside may hold half characters, which UTF-8 has no bytes for.
        content = html.encode(errors="backslashreplace")
        self.reply(HTTPStatus.OK, content, HTML_TYPE, SAFE_HEADERS)

    def _page(self, status: HTTPStatus, title: str, text: str) -> None:
        """Send a page that says something."""
        sentence = Section(anchor="error", title="Nothing to show", blocks=[Text(text=text)])
        page = live_page(title, [sentence], links=[Link(text="Back", address="/")])
        self.reply(status, page.encode(errors="backslashreplace"), HTML_TYPE, SAFE_HEADERS)
