from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from tests.services.postgres import Postgres


async def rows_of(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


async def test_a_fresh_database_is_empty(fresh_postgres_url: str) -> None:
    tables = "SELECT tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
    assert await rows_of(fresh_postgres_url, tables) == []


async def test_two_databases_share_nothing(postgres: Postgres) -> None:
    one, other = postgres.fresh_database(), postgres.fresh_database()
    postgres.run_sql("CREATE TABLE doors (number int)", database=one.rpartition("/")[2])

    with pytest.raises(asyncpg.UndefinedTableError):
        await rows_of(other, "SELECT * FROM doors")

    postgres.drop_database(one)
    postgres.drop_database(other)
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await rows_of(one, "SELECT 1")


async def test_a_database_is_dropped_although_somebody_is_connected(postgres: Postgres) -> None:
    url = postgres.fresh_database()
    lingering = await asyncpg.connect(url)
    postgres.drop_database(url)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await lingering.fetch("SELECT 1")
    lingering.terminate()


async def test_a_template_is_prepared_once_and_copied(postgres: Postgres) -> None:
    prepared: list[str] = []

    def prepare(url: str) -> None:
        prepared.append(url)
        postgres.run_sql("CREATE TABLE keys AS SELECT 7 AS number", database=url.rpartition("/")[2])

    for _ in range(2):
        copy = postgres.fresh_database(template=postgres.template("test of templates", prepare))
        assert [row["number"] for row in await rows_of(copy, "SELECT number FROM keys")] == [7]
        postgres.drop_database(copy)
    assert len(prepared) == 1


async def test_the_cluster_comes_back_with_its_data_after_a_stop_and_after_a_crash(postgres: Postgres) -> None:
    url = postgres.fresh_database()
    postgres.run_sql("CREATE TABLE kept AS SELECT 1 AS number", database=url.rpartition("/")[2])
    for end in (postgres.stop, postgres.kill9):
        end()
        with pytest.raises(ConnectionError):
            await rows_of(url, "SELECT 1")
        postgres.start()
        assert len(await rows_of(url, "SELECT * FROM kept")) == 1
    postgres.drop_database(url)


async def test_nobody_enters_the_cluster_without_its_password(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await rows_of(postgres.url().replace(postgres.password, "guess"), "SELECT 1")
