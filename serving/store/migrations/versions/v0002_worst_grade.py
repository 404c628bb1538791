"""Studies by grade: the highest headline grade and disagreement as columns, filled from the reports that are there."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_STUDIES = sa.table(
    "studies",
    sa.column("study_uid", sa.String),
    sa.column("report", sa.JSON),
    sa.column("worst_grade", sa.Integer),
    sa.column("films_disagree", sa.Boolean),
)


def upgrade() -> None:
    """Adds the columns and fills them."""
    with op.batch_alter_table("studies") as studies:
        studies.add_column(sa.Column("worst_grade", sa.Integer(), nullable=True))
        studies.add_column(sa.Column("films_disagree", sa.Boolean(), nullable=True))
        studies.create_index("ix_studies_worst_grade", ["worst_grade"])
    connection = op.get_bind()
    rows = connection.execute(sa.select(_STUDIES.c.study_uid, _STUDIES.c.report).where(_STUDIES.c.report.is_not(None)))
    for study_uid, report in rows.all():
        knees = (json.loads(report) if isinstance(report, str) else report or {}).get("knees", [])
        grades = [knee["kl"]["grade"] for knee in knees if knee.get("kl")]
        found = {
            "worst_grade": max(grades, default=None),
            "films_disagree": any("films_disagree" in knee.get("flags", []) for knee in knees),
        }
        connection.execute(sa.update(_STUDIES).where(_STUDIES.c.study_uid == study_uid).values(found))


def downgrade() -> None:
    """Removes the columns."""
    with op.batch_alter_table("studies") as studies:
        studies.drop_index("ix_studies_worst_grade")
        studies.drop_column("films_disagree")
        studies.drop_column("worst_grade")
