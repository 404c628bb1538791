"""Films, results, corrections, events, deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes the first six tables."""
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=True),
        sa.Column("film_id", sa.String(length=64), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
        sa.UniqueConstraint("kind", "key", name="uq_events_kind_key"),
    )
    op.create_table(
        "studies",
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("first_received", sa.Double(), nullable=False),
        sa.Column("last_received", sa.Double(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=True),
        sa.Column("report_uid", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("study_uid"),
    )
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_studies_last_received"), ["last_received"], unique=False)

    op.create_table(
        "films",
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_uid", sa.String(length=64), nullable=True),
        sa.Column("pixels_sha256", sa.String(length=64), nullable=False),
        sa.Column("suffix", sa.String(length=8), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("acquired", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("uid_reused", sa.Boolean(), nullable=False),
        sa.Column("received", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("result_id", sa.String(length=64), nullable=True),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("queued", sa.Integer(), nullable=False),
        sa.Column("dead_reason", sa.String(length=64), nullable=True),
        sa.Column("dead_since", sa.Double(), nullable=True),
        sa.Column("removed", sa.Double(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_uid"],
            ["studies.study_uid"],
        ),
        sa.PrimaryKeyConstraint("film_id"),
    )
    with op.batch_alter_table("films", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_films_sop_uid"), ["sop_uid"], unique=False)
        batch_op.create_index("ix_films_state_priority", ["state", "priority", "received"], unique=False)
        batch_op.create_index("ix_films_state_received", ["state", "received"], unique=False)
        batch_op.create_index(batch_op.f("ix_films_study_uid"), ["study_uid"], unique=False)

    op.create_table(
        "results",
        sa.Column("result_id", sa.String(length=64), nullable=False),
        sa.Column("result_uid", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("work_id", sa.String(length=200), nullable=False),
        sa.Column("release_name", sa.String(length=100), nullable=False),
        sa.Column("release_sha256", sa.String(length=64), nullable=False),
        sa.Column("software", sa.String(length=50), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["film_id"],
            ["films.film_id"],
        ),
        sa.PrimaryKeyConstraint("result_id"),
        sa.UniqueConstraint("result_uid"),
    )
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_results_created"), ["created"], unique=False)
        batch_op.create_index(batch_op.f("ix_results_film_id"), ["film_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_results_work_id"), ["work_id"], unique=False)

    op.create_table(
        "corrections",
        sa.Column("correction_id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("study_uid", sa.String(length=64), nullable=False),
        sa.Column("film_id", sa.String(length=64), nullable=False),
        sa.Column("side", sa.String(length=8), nullable=False),
        sa.Column("reader", sa.String(length=100), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=2000), nullable=False),
        sa.Column("network_grade", sa.Integer(), nullable=True),
        sa.Column("result_id", sa.String(length=64), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["film_id"],
            ["films.film_id"],
        ),
        sa.ForeignKeyConstraint(
            ["result_id"],
            ["results.result_id"],
        ),
        sa.ForeignKeyConstraint(
            ["study_uid"],
            ["studies.study_uid"],
        ),
        sa.PrimaryKeyConstraint("correction_id"),
    )
    with op.batch_alter_table("corrections", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_corrections_film_id"), ["film_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_corrections_reader"), ["reader"], unique=False)
        batch_op.create_index(batch_op.f("ix_corrections_study_uid"), ["study_uid"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("result_id", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("updated", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["result_id"],
            ["results.result_id"],
        ),
        sa.PrimaryKeyConstraint("result_id", "destination"),
    )


def downgrade() -> None:
    """Undoes it."""
    op.drop_table("deliveries")
    with op.batch_alter_table("corrections", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_corrections_study_uid"))
        batch_op.drop_index(batch_op.f("ix_corrections_reader"))
        batch_op.drop_index(batch_op.f("ix_corrections_film_id"))

    op.drop_table("corrections")
    with op.batch_alter_table("results", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_results_work_id"))
        batch_op.drop_index(batch_op.f("ix_results_film_id"))
        batch_op.drop_index(batch_op.f("ix_results_created"))

    op.drop_table("results")
    with op.batch_alter_table("films", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_films_study_uid"))
        batch_op.drop_index("ix_films_state_received")
        batch_op.drop_index("ix_films_state_priority")
        batch_op.drop_index(batch_op.f("ix_films_sop_uid"))

    op.drop_table("films")
    with op.batch_alter_table("studies", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_studies_last_received"))

    op.drop_table("studies")
    op.drop_table("events")
