"""What opens and closes again and again is held open; what sources send is counted."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0005_routing_rule'),
        ('incidents', '0002_round'),
    ]

    operations = [
        migrations.CreateModel(
            name='SourceMinute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('minute', models.DateTimeField()),
                ('received', models.PositiveIntegerField(default=0)),
                ('refused', models.PositiveIntegerField(default=0)),
            ],
        ),
        migrations.AddField(
            model_name='opengroup',
            name='flapping_since',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='opengroup',
            name='look_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddIndex(
            model_name='alert',
            index=models.Index(condition=models.Q(('status', 'resolved')), fields=['group_digest', '-first_at'], name='alert_past_group'),
        ),
        migrations.AddIndex(
            model_name='opengroup',
            index=models.Index(condition=models.Q(('look_at__isnull', False)), fields=['look_at'], name='group_look_at'),
        ),
        migrations.AddField(
            model_name='sourceminute',
            name='source',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='minutes', to='alertsources.alertsource'),
        ),
        migrations.AddConstraint(
            model_name='sourceminute',
            constraint=models.UniqueConstraint(fields=('source', 'minute'), name='source_minute_once'),
        ),
    ]
