"""What Alembic runs for each command: one connection, given by `store.database.migrate`, one transaction."""

from alembic import context

from kneeoa.serving.store.tables import Table

connection = context.config.attributes["connection"]
# A rollback after a failed statement must also undo DDL; SQLite alters tables by copying them ("batch").
context.configure(
    connection=connection,
    target_metadata=Table.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
if connection.in_transaction():
    connection.commit()
