"""Providers say later whether a message has arrived."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0007_notification_provider'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='look_at',
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name='contactmethod',
            name='heard_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AlterField(
            model_name='deliveryevent',
            name='kind',
            field=models.CharField(choices=[('sent', 'sent'), ('held', 'held'), ('failed', 'failed'), ('retry', 'will be tried again'), ('refused', 'refused, another provider is next'), ('delivered', 'delivered'), ('silent', 'no receipt'), ('lapsed', 'outcome unknown'), ('pulled', 'pulled forward'), ('cancelled', 'cancelled'), ('again', 'sent again by hand')], max_length=12),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('provider_id', ''), _negated=True), fields=['provider_id'], name='notification_provider_id'),
        ),
        migrations.AddIndex(
            model_name='notification',
            index=models.Index(condition=models.Q(('look_at__isnull', False)), fields=['look_at'], name='notification_look'),
        ),
    ]
