"""Where the source tables of a lake are."""

from deltalake import DeltaTable


def data_files(lake, table):
    """The data files of the newest version of a source table: none of these tools reads Delta without an extension."""
    return DeltaTable(f"{lake}/Tables/source/{table}").file_uris()
