"""Alembic environment, which runs the migrations in the transaction that `engine.upgrade_store` opened."""

from alembic import context

from store.database.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
context.run_migrations()
