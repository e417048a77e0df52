"""What was refused of a source's messages, counted by hour and reason."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('alertsources', '0011_source_keeps_for_some_days'),
    ]

    operations = [
        migrations.CreateModel(
            name='Refusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reason', models.CharField(choices=[('key', 'an old key that works no longer'), ('signature', 'a bad signature'), ('off', 'the source is switched off'), ('size', 'too large'), ('empty', 'empty'), ('limit', 'beyond the limit per minute')], max_length=10)),
                ('hour', models.DateTimeField()),
                ('count', models.PositiveIntegerField(default=0)),
                ('last_at', models.DateTimeField()),
                ('source', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='refusals', to='alertsources.alertsource')),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('source', 'reason', 'hour'), name='refusal_once')],
            },
        ),
    ]
