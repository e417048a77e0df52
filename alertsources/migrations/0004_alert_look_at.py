"""An alert may be judged anew without a post, and says why it fires in no incident."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0003_silence'),
        ('incidents', '0002_round'),
    ]

    operations = [
        migrations.AddField(
            model_name='alert',
            name='is_test',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='alert',
            name='kept',
            field=models.JSONField(null=True),
        ),
        migrations.AddField(
            model_name='alert',
            name='look_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='alert',
            name='muted_by',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='alerts', to='alertsources.silence'),
        ),
        migrations.AddField(
            model_name='alert',
            name='muted_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AddField(
            model_name='alert',
            name='occurred_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('look_at__isnull', False)), fields=['look_at'], name='alert_look_at'),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('muted_by__isnull', False)), fields=['muted_by'], name='alert_muted_by'),
        ),
    ]
