"""A running `kneeoa serve` on loopback with a login, phantom films, and Chromium."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.serving.running_service import RunningService
from tests.serving.web.chromium import ARGUMENTS, CHROMIUM

from kneeoa.datasets.film_truth import FilmKind
from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.datasets.phantom_films import FilmSpec, film_phantom_dataset
from kneeoa.model.radiograph import Side
from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import ALL_SCOPES


class Server(RunningService):
    """A service with a login and one worker, whose death at a film makes a dead letter at once.

    Args:
        data: its data folder, which is there.
        more: settings besides, without `KNEEOA_`.
    """

    def __init__(self, data: Path, more: Mapping[str, str] | None = None) -> None:
        told = {"WORKERS__COUNT": "1", "QUEUE__GRADE_ATTEMPTS": "1", "SECURITY__REQUIRE_LOGIN": "true", **(more or {})}
        super().__init__(data, {f"KNEEOA_{name}": value for name, value in told.items()} | {"PYTHONSAFEPATH": "1"})
        self.key = KeyFile(data).create("the page's tests", ALL_SCOPES)

    @property
    def worker(self) -> int:
        """The process id of its one worker."""
        return next(pid for pid in self.processes() if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes())

    def get(self, path: str) -> httpx.Response:
        """Asks with the key."""
        return httpx.get(f"{self.url}{path}", headers={"X-API-Key": self.key}, timeout=30.0)


@dataclass(slots=True)
class Heard:
    """What a page did that it should not do."""

    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One knee of KL 4, a standing film of both, a hand, and another knee; small, for they are drawn here."""
    folder = tmp_path_factory.mktemp("films")
    made = {name: folder / f"{name}.dcm" for name in ("knee", "standing", "hand", "other")}
    write_phantom(PhantomSpec(side=Side.LEFT, grade=4, seed=11), made["knee"])
    standing = FilmSpec(FilmKind.BILATERAL, right_grade=0, left_grade=3, seed=26, long_side=1500)
    film_phantom_dataset(standing).save_as(made["standing"], enforce_file_format=True)
    film_phantom_dataset(FilmSpec(FilmKind.HAND, seed=3, long_side=800)).save_as(made["hand"], enforce_file_format=True)
    write_phantom(PhantomSpec(side=Side.RIGHT, grade=1, seed=5), made["other"])
    return made


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service for a module's tests."""
    with Server(tmp_path_factory.mktemp("service")) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium of the machine; none is downloaded."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def heard() -> Heard:
    """What went wrong in the page, over all tests of a module."""
    return Heard()


@pytest.fixture(scope="module")
def page(browser: Browser, server: Server, heard: Heard) -> Iterator[Page]:
    """The page in one tab that stays open from test to test, as on a reader's desk; nobody is logged in at first."""
    tab = browser.new_page(viewport={"width": 1280, "height": 800})
    tab.set_default_timeout(60_000)
    tab.on("console", lambda said: heard.errors.append(said.text) if said.type == "error" else None)
    tab.on("pageerror", lambda error: heard.errors.append(str(error)))

    def note(url: str) -> None:
        if not url.startswith((f"{server.url}/", f"blob:{server.url}/")):
            heard.elsewhere.append(url)

    tab.on("request", lambda request: note(request.url))
    tab.goto(server.url)
    yield tab
    tab.close()
