"""Alembic environment: runs the migrations in the transaction of `upgrade_store`."""

from alembic import context

from store.database.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
