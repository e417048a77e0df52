"""A message may be made here, by somebody who tries the source out."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0009_payload_beyond_limit'),
    ]

    operations = [
        migrations.AddField(
            model_name='receivedpayload',
            name='is_test',
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
