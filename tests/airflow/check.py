"""What Airflow makes of the six tasks of examples/airflow: states, what they hand on, and what a rerun of a day shows as."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAGES = ["source", "prepare", "clean", "transform", "refine", "analyse"]
HOME = ROOT / "target" / "airflow" / "home"
BINARIES = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "debug"


def environment(url: str) -> dict[str, str]:
    """What a deployment sets: where Airflow lives, where the DAG is, and its three variables."""
    (HOME / "token").write_text("simulator-token\n")
    return os.environ | {
        "AIRFLOW_HOME": str(HOME),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "examples" / "airflow"),
        "AIRFLOW_VAR_SPECTRA_LAKE": str(HOME / "lake"),
        "AIRFLOW_VAR_SPECTRA_API_URL": url,
        "AIRFLOW_VAR_SPECTRA_API_TOKEN_FILE": str(HOME / "token"),
        "PATH": f"{Path(sys.executable).parent}:{BINARIES}:{os.environ['PATH']}",
    }


def airflow(variables: dict[str, str], log: str, *arguments: str) -> None:
    """Runs a command of Airflow; its output goes to a file."""
    with (HOME / log).open("w") as output:
        command = [sys.executable, "-m", "airflow", *arguments]
        done = subprocess.run(command, env=variables, stdout=output, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"airflow {' '.join(arguments)} ended with {done.returncode}; see {HOME / log}")


def newest_run() -> tuple[str, dict[str, str], dict[str, dict]]:
    """The newest DAG run: its id, the state of each task, and the run report that each handed on."""
    with sqlite3.connect(HOME / "airflow.db") as database:
        (run,) = database.execute("select run_id from dag_run where dag_id = 'spectra' order by id desc").fetchone()
        states = dict(database.execute("select task_id, state from task_instance where run_id = ?", [run]))
        values = database.execute("select task_id, value from xcom where key = 'return_value' and run_id = ?", [run])
        # The value is the JSON of a text, and the text is the report.
        return run, states, {task: json.loads(json.loads(value)) for task, value in values}


def check(what: str, state: str, release: int | None) -> None:
    """Every task is in this state and, where it published, handed on the report of this release."""
    run, states, reports = newest_run()
    assert states == dict.fromkeys(STAGES, state), f"{what}: {states}"
    assert sorted(reports) == (sorted(STAGES) if release else []), f"{what}: reports of {sorted(reports)}"
    for stage, report in reports.items():
        told = (report["stage"], report["runId"], report["exitCode"], report["isPublished"], report["release"])
        assert told == (stage, f"{run}/{stage}/1", 0, True, release), f"{what}: {stage} handed on {told}"
        assert report["tables"], f"{what}: {stage} handed on no table"
    print(f"{what}: six tasks {state}" + (f", each handed on the report of release {release}" if release else ""))


def main() -> None:
    """Three DAG runs on a lake of their own."""
    if not (BINARIES / "spectra-source").exists():
        raise SystemExit(f"there is no spectra-source in {BINARIES}: cargo build --workspace --bins --no-default-features")
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    server = [BINARIES / "zephyr-simulator", "--profile", "small", "--clock", "2026-01-05T17:00:00Z"]
    simulator = subprocess.Popen(server, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = simulator.stdout.readline().removeprefix("listening on ").strip()
        variables = environment(url)
        airflow(variables, "migrate.log", "db", "migrate")
        for what, state, release in [("first day", "success", 1), ("again", "skipped", None), ("next day", "success", 2)]:
            if what == "next day":
                urllib.request.urlopen(f"{url}/simulator/clock?advance=1d", data=b"", timeout=20).close()
            airflow(variables, f"{what.replace(' ', '-')}.log", "dags", "test", "spectra")
            check(what, state, release)
    finally:
        simulator.send_signal(signal.SIGTERM)
        simulator.wait(20)


main()
