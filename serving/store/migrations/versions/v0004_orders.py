"""Orders: which rule took a film and where its results go; instances that need not be fetched again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the columns and the table."""
    with op.batch_alter_table("films") as films:
        films.add_column(sa.Column("rule", sa.String(length=40), nullable=True))
        films.add_column(sa.Column("destinations", sa.JSON(none_as_null=True), nullable=True))
    op.create_table(
        "passed_over",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("noted", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    with op.batch_alter_table("passed_over") as passed_over:
        passed_over.create_index("ix_passed_over_noted", ["noted"])


def downgrade() -> None:
    """Removes them."""
    op.drop_table("passed_over")
    with op.batch_alter_table("films") as films:
        films.drop_column("destinations")
        films.drop_column("rule")
