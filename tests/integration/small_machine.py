"""A machine of a few files, driven through the store as the conductor drives it, without a broker."""

from pathlib import Path
from typing import Any

from blake3 import blake3
from sqlalchemy import Engine, text
from zlib_ng import zlib_ng

from headframe.statemachine.database import connect
from headframe.statemachine.lifecycle import Trigger
from headframe.statemachine.pipeline import Pipeline, RunType, Step, build
from headframe.statemachine.records import (
    ArrivedFile,
    Checksums,
    Copy,
    Events,
    Location,
    Outcome,
    Product,
    Reporter,
    RunInfo,
)
from headframe.statemachine.store import dispatch, runs
from headframe.statemachine.store.arrivals import register
from headframe.statemachine.store.campaigns import Book
from headframe.statemachine.store.core import Ready
from headframe.statemachine.store.fold import Said
from headframe.statemachine.store.gather import gather
from headframe.statemachine.store.operating import Selection, operate
from headframe.statemachine.store.reports import apply_reports

WORKER = Reporter(owner="w-1", host="node-7", job="4711")


def pipeline(**last: Any) -> Pipeline:
    steps = [
        Step(name="salt", to="salted", owned_by="file"),
        Step(name="place", to="placed", makes="copy", owned_by="file"),
        Step(name="reconstruct", to="reconstructed", retries=1),
        Step(name="catalog", to="cataloged", makes="nothing"),
        Step(name="summary", to="summarized", scope="run", **last),
    ]
    return build("default", steps, {"science": RunType(), "calibration": RunType(bypass=("salt",))})


class SmallMachine:
    """Files written below `root` at the sites `source` and `work`, and what the store makes of them."""

    def __init__(self, url: str, root: Path, of: Pipeline | None = None) -> None:
        self.engine: Engine = connect(url, "headframe")
        self.root = root
        of = of or pipeline()
        self.book = Book(pipelines=dict.fromkeys(of.run_types, of), default=of)

    def resolve(self, site: str, path: str) -> Path:
        if site not in ("source", "work"):
            raise KeyError(site)
        return self.root / site / path

    def arrive(self, run: int, *sequences: int, kind: str = "science") -> None:
        """Write raw files and register them."""
        found = []
        for sequence in sequences:
            name = f"run{run}_{sequence:04d}.h5"
            path = f"inbox/{name}"
            size, _ = self._write("source", path, f"raw {run} {sequence}")
            found.append(
                ArrivedFile(
                    site="source", path=path, name=name, run=run, sequence=sequence, size=size, mtime_ns=1, kind=kind
                )
            )
        with self.engine.begin() as conn:
            touched = register(conn, found, self.book).touched
        with self.engine.begin() as conn:
            gather(conn, touched)

    def inform(self, run: int, **said: Any) -> None:
        """Say what a run database says."""
        with self.engine.begin() as conn:
            runs.inform(conn, RunInfo(run=run, source="rundb", **{"kind": "science", **said}), self.book)
            touched = runs.campaigns_of(conn, run)
        with self.engine.begin() as conn:
            gather(conn, touched)

    def item(self, run: int, sequence: int | None) -> Any:
        """Give an item's row: a file's, or with no sequence the run's own."""
        which = "i.file_id is null" if sequence is None else "f.sequence = :sequence"
        statement = (
            "select i.*, f.name, f.adler32, f.blake3 from item i join run on run.id = i.run_id "
            f"left join file f on f.id = i.file_id where run.number = :run and {which}"
        )
        with self.engine.connect() as conn:
            return conn.execute(text(statement), {"run": run, "sequence": sequence}).one()

    def submit(self, run: int, sequence: int | None) -> None:
        found = self.item(run, sequence)
        with self.engine.begin() as conn:
            ready = Ready(item=found.id, epoch=found.epoch, step=found.step, lane=found.lane)
            dispatch.submit(conn, [ready], "conductor")

    def say(self, run: int, sequence: int | None, trigger: str, *, by: Reporter = WORKER, **outcome: Any) -> None:
        """Report on an item's present epoch, as its worker."""
        found = self.item(run, sequence)
        said = Outcome(item=found.id, epoch=found.epoch, trigger=trigger, step=found.step or "", **outcome)  # type: ignore[arg-type]
        with self.engine.begin() as conn:
            touched = apply_reports(conn, [Said(outcome=said, reporter=by)]).touched
        with self.engine.begin() as conn:
            gather(conn, touched)

    def do(self, run: int, sequence: int | None) -> None:
        """Do the item's present step as a worker would, with real files."""
        found = self.item(run, sequence)
        log = Location(site="work", path=f"logs/{found.id}-{found.epoch}.log")
        self._write("work", log.path, f"step {found.step}\nall is well\n")
        self.say(run, sequence, "start", log=log)
        self.say(run, sequence, "succeed", log=log, **self._made(run, sequence, found))

    def through(self, run: int, *sequences: int) -> None:
        """Take files through all their steps."""
        for sequence in sequences:
            while self.item(run, sequence).phase == "ready":
                self.do(run, sequence)

    def act(self, trigger: Trigger, reason: str = "because", state: str | None = None, **selection: Any) -> int:
        """Act as an operator."""
        wanted = Selection(**selection)
        return operate(self.engine, trigger, wanted, actor="anna", reason=reason, state=state).changed

    def again(self, run: int, sequence: int) -> None:
        """Let a second campaign, called `again` and in the bulk lane, begin with a file of the first."""
        first = self.item(run, sequence)
        self.sql(
            "insert into campaign (name, pipeline_id, kind, lane) values ('again', :p, 'bulk', 'bulk')",
            p=first.pipeline_id,
        )
        self.sql(
            "insert into item (campaign_id, pipeline_id, run_id, file_id, scope, kind, state, phase, step, lane, "
            "trigger) "
            "select c.id, c.pipeline_id, :run, :file, 'file', 'science', 'arrived', 'ready', 'salt', c.lane, 'arrive' "
            "from campaign c where name = 'again'",
            run=first.run_id,
            file=first.file_id,
        )

    def sql(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as conn:
            conn.execute(text(statement), values)

    def sql_value(self, statement: str, **values: Any) -> Any:
        with self.engine.connect() as conn:
            return conn.execute(text(statement), values).scalar_one()

    def alive(self, *steps: str, roles: tuple[str, ...] = ("conductor", "sweeper", "worker")) -> None:
        """Let these processes have been heard of just now; workers take `steps`, or all."""
        for role in roles:
            self.sql(
                "insert into process (owner, role, host, detail) values (:role, :role, 'node-7', "
                "jsonb_build_object('steps', cast(:steps as text[]))) on conflict (owner) do update "
                "set seen_at = clock_timestamp(), detail = excluded.detail",
                role=role,
                steps=list(steps),
            )

    def _made(self, run: int, sequence: int | None, found: Any) -> dict[str, Any]:
        folder = f"{run}/{found.id}/{found.step}/{found.epoch}"
        if found.step in ("salt", "reconstruct", "summary"):
            name = f"run{run}_{sequence}_{found.step}.root"
            size, sums = self._write("work", f"{folder}/{name}", f"{found.step} {run} {sequence}")
            events = Events(first=(sequence or 0) * 100, last=(sequence or 0) * 100 + 99, count=100)
            product = Product(
                name=name,
                type=found.step,
                location=Location(site="work", path=f"{folder}/{name}"),
                size=size,
                checksums=sums,
                events=events,
                software="test 1.0",
                configuration="c0ffee",
            )
            raw = Checksums(**_sums(f"raw {run} {sequence}".encode())) if found.step == "salt" else None
            return {"products": (product,), "raw": raw}
        if found.step == "place":
            size, sums = self._write("work", f"{folder}/copy.h5", f"raw {run} {sequence}")
            place = Location(site="work", path=f"{folder}/copy.h5")
            return {"copies": (Copy(of="raw", location=place, size=size, checksums=sums),)}
        return {"catalog": {"trees": ["events"]}}

    def _write(self, site: str, path: str, content: str) -> tuple[int, Checksums]:
        target = self.root / site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode())
        return len(content.encode()), Checksums(**_sums(content.encode()))


def _sums(content: bytes) -> dict[str, str]:
    return {"adler32": f"{zlib_ng.adler32(content):08x}", "blake3": blake3(content).hexdigest()}
