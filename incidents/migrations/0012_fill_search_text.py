from django.db import migrations

BATCH = 500


def search_text(title, detail, labels):
    """As `incidents.searching` made it when this was written."""
    pairs = " ".join(f"{name}={value}" for name, value in labels.items())
    return f"{title}\n{pairs}\n{detail[:4000]}".casefold()


def fill(apps, schema_editor):
    Incident = apps.get_model("incidents", "Incident")
    known = Incident.objects.order_by("pk").only("title", "detail", "labels")
    last = 0
    while batch := list(known.filter(pk__gt=last)[:BATCH]):
        for incident in batch:
            incident.search_text = search_text(incident.title, incident.detail, incident.labels)
        Incident.objects.bulk_update(batch, ["search_text"])
        last = batch[-1].pk


class Migration(migrations.Migration):
    dependencies = [
        ("incidents", "0011_incident_search_text"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
