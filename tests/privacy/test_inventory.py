"""Every column of the schema is accounted for: exported, or said why not (R8)."""

from __future__ import annotations

from ostiary.migrations.tables import metadata
from ostiary.privacy.inventory import INVENTORY, Exported


def stored() -> set[str]:
    """Return every column of every table."""
    return {f"{table.name}.{column.name}" for table in metadata.tables.values() for column in table.columns}


def named() -> set[str]:
    """Return every column that the inventory names."""
    return {f"{table}.{column}" for table, columns in INVENTORY.items() for column in columns}


def test_the_inventory_names_every_column() -> None:
    assert not stored() - named(), "say in privacy/inventory.py what becomes of these"


def test_the_inventory_names_nothing_that_is_not_there() -> None:
    assert not named() - stored()


def test_whatever_is_not_exported_says_why() -> None:
    for columns in INVENTORY.values():
        for column, fate in columns.items():
            assert isinstance(fate, Exported) or len(fate.because.split()) >= 2, column


def test_every_table_that_names_an_account_is_exported_or_goes_with_it() -> None:
    """A table with an account's id that is erased neither by cascade nor by losing its key would outlive the person."""
    outlive = {
        "journal",
        "alerts",
    }  # ids, and what the lost key sealed: docs/explanation/privacy.md
    for table in metadata.tables.values():
        for column in table.columns:
            if column.name == "account_id" and table.name not in outlive:
                (key,) = column.foreign_keys
                assert key.ondelete == "CASCADE", table.name
