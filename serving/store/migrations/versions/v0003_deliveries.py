"""Deliveries an object and destination, with how far each has come; documents of studies, and when one is due.

What was sent before is not told any more: it was known for a result as a whole only, and shown nowhere.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables and the column."""
    op.drop_table("deliveries")
    op.create_table(
        "deliveries",
        sa.Column("object_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("batch", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("transaction_uid", sa.String(length=64), nullable=True),
        sa.Column("asked", sa.Double(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("sent", sa.Double(), nullable=True),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.Column("settled", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(["study_uid"], ["studies.study_uid"]),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"]),
        sa.PrimaryKeyConstraint("object_uid", "destination"),
    )
    op.create_index("ix_deliveries_batch", "deliveries", ["batch", "destination"])
    op.create_index("ix_deliveries_destination_state", "deliveries", ["destination", "state", "settled"])
    op.create_index("ix_deliveries_settled_state", "deliveries", ["settled", "state"])
    op.create_index("ix_deliveries_study_uid", "deliveries", ["study_uid"])
    op.create_index("ix_deliveries_film_id", "deliveries", ["film_id"])
    op.create_index("ix_deliveries_transaction_uid", "deliveries", ["transaction_uid"])
    op.create_table(
        "study_documents",
        sa.Column("document_id", sa.String(length=64), nullable=False),
        sa.Column("document_uid", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("results", sa.JSON(), nullable=False),
        sa.Column("predecessor_uid", sa.String(length=64), nullable=True),
        sa.Column("predecessor_sha256", sa.String(length=64), nullable=True),
        sa.Column("release_name", sa.String(length=100), nullable=False),
        sa.Column("release_sha256", sa.String(length=64), nullable=False),
        sa.Column("software", sa.String(length=50), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["study_uid"], ["studies.study_uid"]),
        sa.ForeignKeyConstraint(["film_id"], ["films.film_id"]),
        sa.PrimaryKeyConstraint("document_id"),
        sa.UniqueConstraint("document_uid"),
    )
    op.create_index("ix_study_documents_study_uid", "study_documents", ["study_uid"])
    with op.batch_alter_table("studies") as studies:
        studies.add_column(sa.Column("document_due", sa.Double(), nullable=True))
        studies.create_index("ix_studies_document_due", ["document_due"])


def downgrade() -> None:
    """Removes them."""
    with op.batch_alter_table("studies") as studies:
        studies.drop_index("ix_studies_document_due")
        studies.drop_column("document_due")
    op.drop_table("study_documents")
    op.drop_table("deliveries")
    op.create_table(
        "deliveries",
        sa.Column("result_id", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["result_id"], ["results.result_id"]),
        sa.PrimaryKeyConstraint("result_id", "destination"),
    )
