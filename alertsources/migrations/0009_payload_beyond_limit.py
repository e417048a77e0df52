"""A message may be kept unread, as its source sends more than its limit."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0008_payload_reprocessed_from'),
    ]

    operations = [
        migrations.AlterField(
            model_name='receivedpayload',
            name='result',
            field=models.CharField(choices=[('taken', 'taken'), ('nothing', 'nothing to do'), ('unreadable', 'unreadable'), ('limited', 'beyond the limit')], max_length=10),
        ),
    ]
