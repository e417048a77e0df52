"""What has been is kept as it was."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('schedules', '0004_rotation_offset_kept'),
    ]

    operations = [
        migrations.AddField(
            model_name='rotation',
            name='recorded_until',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.CreateModel(
            name='ShiftRecord',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('starts_at', models.DateTimeField()),
                ('ends_at', models.DateTimeField()),
                ('is_cover', models.BooleanField(default=False)),
                ('instead_of', models.JSONField(default=list, help_text='Whose turn it was: ids of people.')),
                ('why', models.CharField(blank=True, help_text='Why nobody was on call.', max_length=10)),
                ('rotation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='records', to='schedules.rotation')),
                ('user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='shift_records', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ['starts_at', 'pk'],
                'indexes': [models.Index(fields=['rotation', 'ends_at'], name='schedules_s_rotatio_54369a_idx')],
                'constraints': [models.UniqueConstraint(fields=('rotation', 'starts_at'), name='record_starts_once'), models.CheckConstraint(condition=models.Q(('starts_at__lt', models.F('ends_at'))), name='record_starts_before_it_ends')],
            },
        ),
    ]
