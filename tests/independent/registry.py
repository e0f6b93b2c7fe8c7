"""The tables that are computed a second time."""

MARTS = []


def mart(table, *key, is_partial=False):
    """Registers a computation of a table; its rows are told apart by the key. A partial one tells of some of its rows."""

    def register(compute):
        MARTS.append((table, key, is_partial, compute))
        return compute

    return register
