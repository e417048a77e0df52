"""Ties the wiring into Django's registry."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig

from pagerpal import light

# This app comes first.
light.load_queue_without_prometheus()


class PagerPalConfig(AppConfig):
    name = "pagerpal"

    def ready(self) -> None:
        from django.contrib.auth.signals import user_logged_in

        from notifications.signals import link_opened
        from pagerpal import (  # noqa: F401  registers the checks
            checks,
            sign_ins,
            site_facts,
            team_tokens,
        )
        from pagerpal.api import tokens
        from schedules.signals import person_left

        user_logged_in.connect(sign_ins.noted, dispatch_uid="pagerpal.sign_ins.noted")
        person_left.connect(sign_ins.ended, dispatch_uid="pagerpal.sign_ins.ended")
        link_opened.connect(site_facts.link_opened, dispatch_uid="pagerpal.site_facts")
        person_left.connect(team_tokens.ended, dispatch_uid="pagerpal.team_tokens.ended")
        person_left.connect(tokens.ended, dispatch_uid="pagerpal.api.tokens.ended")


class PagerPalAdminConfig(AdminConfig):
    default_site = "pagerpal.admin.PagerPalAdminSite"

    def ready(self) -> None:
        super().ready()
        # Beside the site itself it would be registered while the site is still being made.
        from pagerpal import token_admin  # noqa: F401
