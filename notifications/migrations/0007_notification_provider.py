"""One kind of address may be carried by several providers: which of them has what."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('notifications', '0006_contact_method_removed'),
    ]

    operations = [
        migrations.AddField(
            model_name='notification',
            name='provider',
            field=models.CharField(blank=True, db_default='', default='', max_length=24),
        ),
        migrations.AddField(
            model_name='deliveryevent',
            name='provider',
            field=models.CharField(blank=True, db_default='', default='', max_length=24),
        ),
    ]
