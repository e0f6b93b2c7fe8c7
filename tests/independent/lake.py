"""Reads tables of a lake and compares them with rows computed elsewhere."""

import math
import pathlib

import deltalake


def rows(lake, table):
    """The newest rows of `schema.table`."""
    schema, name = table.split(".")
    return deltalake.DeltaTable(f"{lake}/Tables/{schema}/{name}").to_pyarrow_table().to_pylist()


def count(lake, table):
    """How many rows `schema.table` has."""
    schema, name = table.split(".")
    return deltalake.DeltaTable(f"{lake}/Tables/{schema}/{name}").to_pyarrow_dataset().count_rows()


def tables(lake, schema):
    """The names of the tables of a schema."""
    return sorted(path.name for path in pathlib.Path(lake, "Tables", schema).iterdir())


def exists(lake, table):
    schema, name = table.split(".")
    return deltalake.DeltaTable.is_deltatable(f"{lake}/Tables/{schema}/{name}")


def same(found, expected):
    """Whether two values are one; numbers may differ in the last digits of a division."""
    if isinstance(expected, float) and isinstance(found, (int, float)) and not isinstance(found, bool):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    if isinstance(found, float) and isinstance(expected, int) and not isinstance(expected, bool):
        return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


class Difference:
    """What differs between a table and the rows it should have."""

    def __init__(self, table, found, expected, key, is_partial=False):
        self.table = table
        self.row_count = len(expected)
        self.columns = sorted({name for row in expected for name in row})
        self.unchecked = sorted(
            name for name in (found[0] if found else {}) if name not in self.columns and not name.endswith("Key")
        )
        self.lines = []
        by_key = self.index(found, key, "the lake")
        wanted = self.index(expected, key, "the computation")
        for identity in sorted(wanted.keys() - by_key.keys(), key=repr):
            self.lines.append(f"{self.label(key, identity)}: is missing in the lake")
        for identity in [] if is_partial else sorted(by_key.keys() - wanted.keys(), key=repr):
            self.lines.append(f"{self.label(key, identity)}: is in the lake and should not be")
        for identity in sorted(wanted.keys() & by_key.keys(), key=repr):
            for name in self.columns:
                if name not in wanted[identity]:
                    continue
                value, right = by_key[identity].get(name, "no such column"), wanted[identity][name]
                if not same(value, right):
                    self.lines.append(f"{self.label(key, identity)}: {name} is {value!r}, should be {right!r}")

    def index(self, rows_, key, side):
        indexed = {}
        for row in rows_:
            identity = tuple(row[name] for name in key)
            if identity in indexed:
                self.lines.append(f"{self.label(key, identity)}: twice in {side}")
            indexed[identity] = row
        return indexed

    @staticmethod
    def label(key, identity):
        return ", ".join(f"{name} {value}" for name, value in zip(key, identity))
