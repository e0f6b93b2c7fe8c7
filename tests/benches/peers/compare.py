"""Compares the four tables of two runs row for row, column by column.

Argument: a JSON object {"reference": {table: [files]}, "other": {table: [files]}, "keys": whether keys are alike}.
Where they are not, since each tool hashes in its own way, they have to tell apart the same rows.
Ends with 1 when anything differs, after saying what.
"""

import json
import sys

import duckdb

IDENTITY = {
    "preparedExecution": ["executionId", "sliceKey", "recordId"],
    "cleanExecution": ["executionId"],
    "starExecution": ["executionId"],
    "passRate": ["level", "projectId", "releaseId", "cycleId", "cyclePhaseId"],
}
EXAMPLES = 3


def columns(connection, name):
    return [row[0] for row in connection.execute(f"describe {name}").fetchall()]


def differences(connection, table, keys_alike):
    """What differs between the views `reference` and `other`, one text each, then rows, columns and keys compared."""
    mine, theirs = columns(connection, "reference"), columns(connection, "other")
    identity = IDENTITY[table]
    common = [name for name in mine if name in theirs and name not in identity]
    renamed = [] if keys_alike else [name for name in common if name.endswith("Key") and name != "sliceKey"]
    compared = [name for name in common if name not in renamed]

    def one(query):
        return connection.execute(query).fetchall()[0]

    found = []
    for side in ("reference", "other"):
        groups = f"select 1 from {side} group by {', '.join(identity)} having count(*) > 1"
        (doubled,) = one(f"select count(*) from ({groups})")
        if doubled:
            found.append(f"{doubled} values of {', '.join(identity)} come more than once in {side}")
    paired = ", ".join(f"a.{name} as a_{name}, b.{name} as b_{name}" for name in identity + common)
    matches = " and ".join(f"a.{name} is not distinct from b.{name}" for name in identity)
    connection.execute(
        f"create or replace temp table paired as select {paired}, a.present as inReference, b.present as inOther"
        " from (select true as present, * from reference) a"
        f" full join (select true as present, * from other) b on {matches}"
    )
    row_count, added, missing = one(
        "select count(*), count(*) filter (inReference is null), count(*) filter (inOther is null) from paired"
    )
    if added:
        found.append(f"{added} rows are not in the reference")
    if missing:
        found.append(f"{missing} rows of the reference are missing")
    differs = {name: f"inReference and inOther and a_{name} is distinct from b_{name}" for name in compared}
    counts = one(f"select {', '.join(f'count(*) filter ({test})' for test in differs.values())} from paired")
    for name, count in zip(compared, counts):
        if count:
            shown = ", ".join(f"a_{part}::varchar" for part in identity)
            rows = connection.execute(
                f"select concat_ws(' ', {shown}), a_{name}::varchar, b_{name}::varchar from paired"
                f" where {differs[name]} order by 1 limit {EXAMPLES}"
            ).fetchall()
            examples = "; ".join(f"{where}: {ours!r} and {others!r}" for where, ours, others in rows)
            found.append(f"{name} differs in {count} rows, for example {examples}")
    for name in renamed:
        pairs, ours, others = one(
            "select count(*), count(distinct ours), count(distinct others) from (select distinct"
            f" coalesce(a_{name}::varchar, '-1') as ours, coalesce(b_{name}::varchar, '-1') as others"
            " from paired where inReference and inOther)"
        )
        if not pairs == ours == others:
            found.append(f"{name} does not tell apart the same rows: {ours} keys against {others}, in {pairs} pairs")
    return found, row_count, len(compared) + len(identity), len(renamed)


def main():
    task = json.loads(sys.argv[1])
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GiB"})
    connection.execute("set TimeZone = 'UTC'")
    failed = False
    for table in IDENTITY:
        for side in ("reference", "other"):
            files = ", ".join(f"'{file}'" for file in task[side][table])
            connection.execute(f"create or replace view {side} as select * from read_parquet([{files}])")
        found, row_count, column_count, key_count = differences(connection, table, task["keys"])
        for difference in found:
            print(f"  {table}: {difference}")
        if not found:
            keys = f", {key_count} keys one to one" if key_count else ""
            print(f"  {table}: {row_count} rows equal in {column_count} columns{keys}")
        failed = failed or bool(found)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
