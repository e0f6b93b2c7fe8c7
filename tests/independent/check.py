"""Runs the six stages on a simulator and compares every mart with a second computation of it."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date, datetime, timezone

import facts as facts_module
import lake
import served
from registry import MARTS

import coverage  # noqa: F401  (each registers its marts)
import enrichment  # noqa: F401
import executions  # noqa: F401
import hygiene  # noqa: F401
import operations  # noqa: F401
import progress  # noqa: F401
import testcases  # noqa: F401
import totals  # noqa: F401

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
TOKEN = "simulator-token"
STAGES = ("source", "prepare", "clean", "transform", "refine", "analyse")
LONGEST_STAGE_SECONDS = 240


def arguments():
    parser = argparse.ArgumentParser(prog="tests/independent/run", description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int, metavar="SEED", help="seed of the simulator")
    parser.add_argument("--binaries", type=pathlib.Path, default=REPOSITORY / "target/debug",
                        help="folder of the binaries [target/debug]")
    parser.add_argument("--profile", default="small", help="shape of the world [small]")
    parser.add_argument("--days", type=int, nargs="*", default=[0, 1, 3, 5],
                        help="days at which source looks [0 1 3 5]; from the fourth to the seventh a project is closed")
    parser.add_argument("--control", action="append", default=[], metavar="NAME=VALUE",
                        help="another control, for the stages and for the computation")
    parser.add_argument("--tamper", action="append", default=[], metavar="NAME=VALUE",
                        help="another control for the stages, of which the computation does not know")
    parser.add_argument("--must-differ", action="store_true", help="end well only if something differs")
    parser.add_argument("--models", type=pathlib.Path, help="folder that holds <stage>/models instead of those built in")
    parser.add_argument("--only", action="append", default=[], metavar="TABLE", help="compare this table only")
    parser.add_argument("--keep", type=pathlib.Path, help="folder in which the lakes stay")
    parser.add_argument("--lines", type=int, default=12, help="differences shown per table [12]")
    return parser.parse_args()


class Simulator:
    """A simulator of its own on a free port."""

    def __init__(self, options, seed):
        command = [options.binaries / "zephyr-simulator", "--profile", options.profile, "--seed", str(seed),
                   "--quirk", "eventful-days"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        self.server = served.Server(self.url, TOKEN)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=20)


def stage(options, name, folder, simulator, look):
    """Runs a stage as if it were the simulator's day."""
    shift = int(datetime.fromisoformat(look.clock).timestamp() - time.time())
    variables = {name: value for name, value in os.environ.items() if not name.startswith("SPECTRA_")}
    variables |= {
        "SPECTRA_LAKE": str(folder / "lake"),
        "SPECTRA_AS_OF": look.clock[:10],
        "SPECTRA_THREADS": "1",
        "LD_PRELOAD": str(REPOSITORY / "target/independent/shift.so"),
        "CLOCK_SHIFT_SECONDS": str(shift),
    }
    command = [str(options.binaries / f"spectra-{name}")]
    if name == "source":
        variables |= {"SPECTRA_API_URL": simulator.url, "SPECTRA_API_TOKEN": TOKEN}
    elif options.models:
        command += ["--models", str(options.models / name / "models")]
    if name == "prepare":
        command += ["--reference", str(folder / "reference")]
    ran = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=LONGEST_STAGE_SECONDS)
    if ran.returncode != 0:
        sys.exit(f"spectra-{name} ended with {ran.returncode}\n{ran.stderr[-4000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def reference_folder(folder, settings):
    """A copy of the reference tables, with the controls that were asked for."""
    shutil.copytree(REPOSITORY / "prepare/reference", folder)
    for setting in settings:
        name, value = setting.split("=", 1)
        path = folder / "controls.csv"
        lines = path.read_text(encoding="utf-8").splitlines()
        if not any(line.startswith(f"{name},") for line in lines):
            sys.exit(f"there is no control `{name}`")
        path.write_text("\n".join(
            f"{name},{value},changed by the test" if line.startswith(f"{name},") else line for line in lines
        ) + "\n", encoding="utf-8")


def walk(options, seed, folder):
    """Looks at the simulator on each of the days, then builds the marts; the facts of what was served."""
    reference_folder(folder / "reference", options.control + options.tamper)
    reference_folder(folder / "known", options.control)
    looks, runs, requests = [], {name: [] for name in STAGES}, 0
    with Simulator(options, seed) as simulator:
        passed = 0
        for day in options.days:
            if day > passed:
                simulator.server.admin(f"clock?advance={day - passed}d", "POST")
                passed = day
            look = served.read(simulator.server)
            simulator.server.admin("requests", "DELETE")
            runs["source"].append(stage(options, "source", folder, simulator, look))
            requests += len(simulator.server.admin("requests"))
            looks.append((date.fromisoformat(look.clock[:10]), look))
        for name in STAGES[1:]:
            runs[name].append(stage(options, name, folder, simulator, looks[-1][1]))
    facts = facts_module.make(looks, looks[-1][0], folder / "known")
    facts.runs, facts.requests = runs, requests
    return facts


def compare(options, facts, folder):
    """Compares every mart; how many tables agree, and how many do not."""
    facts.lake = str(folder / "lake")
    agree, differ = 0, 0
    for table, key, is_partial, compute in MARTS:
        if options.only and table not in options.only:
            continue
        if not lake.exists(facts.lake, table):
            differ += 1
            print(f"  {table}: is not in the lake")
            continue
        difference = lake.Difference(table, lake.rows(facts.lake, table), compute(facts), key, is_partial)
        what = f"{table}: {difference.row_count} rows, {len(difference.columns)} columns"
        if difference.lines:
            differ += 1
            print(f"  {what}: {len(difference.lines)} differences")
            for line in difference.lines[: options.lines]:
                print(f"    {line}")
        else:
            agree += 1
            print(f"  {what}: equal" + (f" (not computed: {', '.join(difference.unchecked)})" if difference.unchecked else ""))
    return agree, differ


def main():
    options = arguments()
    passed = failed = 0
    for seed in options.seeds:
        started = time.monotonic()
        print(f"seed {seed}")
        with tempfile.TemporaryDirectory() as scratch:
            folder = options.keep / f"seed-{seed}" if options.keep else pathlib.Path(scratch)
            if options.keep:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            facts = walk(options, seed, folder)
            agree, differ = compare(options, facts, folder)
        passed, failed = passed + agree, failed + differ
        print(f"  {time.monotonic() - started:.1f} s")
    if options.must_differ:
        if not failed:
            sys.exit("nothing differs, and something should")
        print(f"as it should be: {failed} of {passed + failed} tables differ")
        return
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
