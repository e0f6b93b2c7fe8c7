"""Runs the job in every tool as processes of their own, compares the tables and prints one Markdown table."""

import argparse
import importlib.util
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import typing
from importlib.metadata import version

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TABLES = {
    "preparedExecution": "prepare/factExecution",
    "cleanExecution": "clean/factExecution",
    "starExecution": "transform/factExecution",
    "passRate": "transform/passRate",
}
# What the job needs of the models that are shipped: the four tables and what they read. The star fact without versions,
# and the mart beside it, stand in `models/transform` here.
SHIPPED = {
    "prepare": "controls slice dimProject dimRelease dimCycle dimCyclePhase dimExecutionStatus statusMap factExecution",
    "clean": "dimProject dimRelease dimCycle dimCyclePhase dimExecutionStatus factExecution",
    "transform": "dimProject dimRelease dimCycle dimCyclePhase dimExecutionStatus",
}
STAGES = ("prepare", "clean", "transform", "refine", "analyse")
PEERS = {"DuckDB": "duckdb", "Polars": "polars", "PySpark": "pyspark"}
SAMPLE_SECONDS = 0.05
LIMIT_SECONDS = 3600


class Figures(typing.NamedTuple):
    """What running something took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Failure(Exception):
    """What went wrong, in words for whoever started the run."""


def options():
    parser = argparse.ArgumentParser(prog="tests/benches/peers/run", description=__doc__)
    parser.add_argument("--executions", type=int, default=1_000_000, help="executions of the lake that is made")
    parser.add_argument("--lake", type=pathlib.Path, help="take the source tables of this lake, which is only read")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "target/release", help="where our binaries are")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT, help="take <stage>/models from below this folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", type=int, default=2048, metavar="MIB", help="memory for each, where it can be told")
    parser.add_argument("--rounds", type=int, default=1, help="how often every tool does the job")
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), help="peers to run")
    parser.add_argument("--without-stages", action="store_true", help="do not run all five stages as well")
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "target/peers", help="where lakes and tables go")
    return parser.parse_args()


def processes(session):
    """Resident bytes and CPU seconds of every process of a session, by its id: a JVM is a process of its own."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session:
                ticks = int(fields[11]) + int(fields[12])
                found[folder.name] = (int(fields[21]) * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))
    return found


def measured(command, log, environment=None):
    """Figures of a command with all its processes; what it says goes to the file `log`."""
    started = time.monotonic()
    with open(log, "w") as output:
        child = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
        peak, busy = 0, {}
        while True:
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            now = processes(child.pid)
            peak = max(peak, sum(resident for resident, _ in now.values()))
            busy.update({name: seconds for name, (_, seconds) in now.items()})
            if time.monotonic() - started > LIMIT_SECONDS:
                os.killpg(child.pid, 9)
            time.sleep(SAMPLE_SECONDS)
    seconds = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        last = "\n".join(pathlib.Path(log).read_text().splitlines()[-5:])
        raise Failure(f"{command[0]} ended with {child.returncode}; the end of {log}:\n{last}")
    cpu = max(sum(busy.values()), usage.ru_utime + usage.ru_stime)
    return Figures(seconds, cpu, max(peak, usage.ru_maxrss * 1024))


def together(parts):
    """Figures of commands that ran one after the other."""
    parts = list(parts)
    return Figures(sum(p.seconds for p in parts), sum(p.cpu_seconds for p in parts), max(p.peak_bytes for p in parts))


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def source_lake(chosen):
    """The lake whose source tables everybody reads."""
    if chosen.lake:
        if not (chosen.lake / "Tables/source/factExecution/_delta_log").is_dir():
            raise Failure(f"{chosen.lake} has no source tables\nhint: spectra-source makes them")
        return chosen.lake
    folder = chosen.folder / f"benchmark-{chosen.executions}"
    if not (folder / "lake/Tables/source/factExecution/_delta_log").is_dir():
        benchmark = chosen.bin / "spectra-benchmark"
        if not benchmark.exists():
            raise Failure(
                f"there is no {benchmark}\n"
                "hint: cargo build --release --locked --workspace --bins --no-default-features"
            )
        print(f"making a lake of {chosen.executions} executions …", file=sys.stderr)
        measured([benchmark, "--executions", chosen.executions, "--folder", folder], chosen.folder / "benchmark.log")
    return folder / "lake"


def source_copy(lake, folder):
    """A lake that has nothing but the source tables of another, and the log that says which release they are."""
    for part in ("source", "log"):
        shutil.copytree(lake / "Tables" / part, fresh(folder / "Tables" / part), dirs_exist_ok=True)
    return folder


def job_models(chosen):
    """The models folders of the job, one per stage."""
    folder = fresh(chosen.folder / "models")
    for stage, names in SHIPPED.items():
        (folder / stage).mkdir()
        for name in names.split():
            shutil.copy(chosen.models / stage / "models" / f"{name}.sql", folder / stage)
    for model in (HERE / "models/transform").glob("*.sql"):
        shutil.copy(model, folder / "transform")
    return folder


def built(log):
    """Model and milliseconds of every table that a stage built, read from its log."""
    for line in pathlib.Path(log).read_text().splitlines():
        if line.startswith("{") and '"milliseconds"' in line:
            entry = json.loads(line)
            if str(entry.get("message", "")).startswith("built "):
                yield entry["message"].split()[1].rstrip(":"), entry["milliseconds"]


def spectra(chosen, lake, models, stages):
    """Figures per stage, and the slowest tables."""
    figures, slowest = {}, []
    for stage in stages:
        log = chosen.folder / f"{lake.name}-{stage}.log"
        command = [
            chosen.bin / f"spectra-{stage}", "--lake", lake, "--threads", chosen.threads,
            "--memory", f"{chosen.memory}MiB", "--log-format", "json",
        ]
        if models:
            command += ["--models", models / stage]
        figures[stage] = measured(command, log)
        slowest += built(log)
    slowest.sort(key=lambda entry: -entry[1])
    return figures, slowest[:4]


def peer(chosen, name, lake):
    out = fresh(chosen.folder / "out" / name.lower())
    environment = {
        "POLARS_MAX_THREADS": str(chosen.threads),
        "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    command = [sys.executable, HERE / f"job_{PEERS[name]}.py", lake, out, chosen.threads, chosen.memory]
    return measured(command, chosen.folder / f"{name.lower()}.log", environment)


def delta_tables(lake, mart):
    from deltalake import DeltaTable

    paths = {**TABLES, "passRate": mart}
    return {name: DeltaTable(f"{lake}/Tables/{path}").file_uris() for name, path in paths.items()}


def peer_tables(chosen, name):
    out = chosen.folder / "out" / name.lower()
    return {
        table: [str(file) for file in ([path] if path.is_file() else sorted(path.glob("*.parquet")))]
        for table in TABLES
        for path in [out / f"{table}.parquet"]
    }


def are_equal(title, reference, other, keys):
    print(f"{title}:", flush=True)
    task = json.dumps({"reference": reference, "other": other, "keys": keys})
    return subprocess.run([sys.executable, HERE / "compare.py", task], check=False).returncode == 0


def run_peers(chosen):
    lake = source_lake(chosen).resolve()
    models = job_models(chosen)
    present = [
        name for name in chosen.only
        if importlib.util.find_spec(PEERS[name]) and (name != "PySpark" or shutil.which("java"))
    ]
    for name in chosen.only:
        if name not in present:
            print(f"left out: {name} is not installed, or has no java", file=sys.stderr)
    for file in (lake / "Tables/source").rglob("*.parquet"):
        file.read_bytes()

    figures, versions, loads, failures = {}, {}, [], []

    def note(name, result):
        figures.setdefault(name, []).append(result)
        peak = f"{result.peak_bytes >> 20} MiB"
        print(f"{name}: {result.seconds:.1f} s, {result.cpu_seconds:.1f} CPU s, {peak}", file=sys.stderr)

    for _ in range(chosen.rounds):
        loads.append(f"{os.getloadavg()[0]:.1f}")
        job = source_copy(lake, fresh(chosen.folder / "job"))
        stages, slowest = spectra(chosen, job, models, ("prepare", "clean", "transform"))
        note("SPECTRA", together(stages.values()))
        for name in present:
            try:
                note(name, peer(chosen, name, lake))
            except Failure as failure:
                failures.append(name)
                print(f"{name} failed: {failure}", file=sys.stderr)
    said = subprocess.run([chosen.bin / "spectra-prepare", "--version"], capture_output=True, text=True, check=True)
    versions["SPECTRA"] = said.stdout.split()[-1]

    ours = delta_tables(job, TABLES["passRate"])
    equal = {}
    whole = None
    if not chosen.without_stages:
        full = source_copy(lake, fresh(chosen.folder / "full"))
        whole, _ = spectra(chosen, full, None, STAGES)
        equal["SPECTRA"] = are_equal(
            "SPECTRA's job and its five stages", delta_tables(full, "analyse/passRate"), ours, keys=True
        )
    for name in present:
        if name in figures:
            versions[name] = version(PEERS[name])
            equal[name] = are_equal(
                f"SPECTRA and {name}", ours, peer_tables(chosen, name), keys=name == "PySpark"
            )

    print("\n| tool | version | seconds | ratio | CPU seconds | ratio | peak MiB | ratio | rows equal |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    least = {name: Figures(*map(min, zip(*rounds))) for name, rounds in figures.items()}
    for name, rounds in figures.items():
        one, two, three = (f"{mine / ours:.2f}" for mine, ours in zip(least[name], least["SPECTRA"]))
        seconds = ", ".join(f"{each.seconds:.1f}" for each in rounds)
        cpu = ", ".join(f"{each.cpu_seconds:.1f}" for each in rounds)
        memory = ", ".join(str(each.peak_bytes >> 20) for each in rounds)
        same = {True: "yes", False: "no", None: "not compared"}[equal.get(name)]
        print(f"| {name} | {versions[name]} | {seconds} | {one} | {cpu} | {two} | {memory} | {three} | {same} |")

    def parts(by_stage):
        return ", ".join(f"{stage} {each.seconds:.1f} s" for stage, each in by_stage.items())

    print(f"\nload of the machine before each round: {', '.join(loads)}; {chosen.threads} threads, {chosen.memory} MiB")
    print(f"SPECTRA by stage: {parts(stages)}")
    print("its slowest tables: " + ", ".join(f"{name} {milliseconds / 1000:.1f} s" for name, milliseconds in slowest))
    if whole:
        total = together(whole.values())
        print(
            f"all tables of the five stages: {total.seconds:.1f} s, {total.cpu_seconds:.1f} CPU s,"
            f" {total.peak_bytes >> 20} MiB: {parts(whole)}"
        )
    return not failures and all(equal.values())


def main():
    chosen = options()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    chosen.folder, chosen.bin = chosen.folder.resolve(), chosen.bin.resolve()
    try:
        sys.exit(0 if run_peers(chosen) else 1)
    except Failure as failure:
        print(f"peers: {failure}", file=sys.stderr)
        sys.exit(74)


if __name__ == "__main__":
    main()
