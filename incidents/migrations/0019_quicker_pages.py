import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

OLD = "incidents_page_user_id_20832d80"


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0018_incident_tests"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name="page",
            index=models.Index(fields=["user", "incident"], name="page_of_person"),
        ),
        migrations.AddIndex(
            model_name="page",
            index=models.Index(fields=["created_at"], name="page_created"),
        ),
        migrations.AddIndex(
            model_name="timelineentry",
            index=models.Index(
                condition=models.Q(("kind", "acknowledged")),
                fields=["incident", "at"],
                name="timeline_acknowledged",
            ),
        ),
        # By name, as Django would write all of the table anew on SQLite.
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    f"DROP INDEX IF EXISTS {OLD}",
                    f"CREATE INDEX {OLD} ON incidents_page (user_id)",
                ),
            ],
            state_operations=[
                migrations.AlterField(
                    model_name="page",
                    name="user",
                    field=models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pages",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
        ),
    ]
