"""PostgreSQL for measurements: a server of its own, and desks whose store is in one of its databases.

- `cluster`: starts and ends a PostgreSQL server
- `database_desks`: moves the store of a desk to a database, and fills databases
"""
