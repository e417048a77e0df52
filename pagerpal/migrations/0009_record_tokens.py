from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("pagerpal", "0008_site_fact_words"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="secondfactor",
            options={"base_manager_name": "objects"},
        ),
    ]
