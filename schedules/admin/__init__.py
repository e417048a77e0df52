"""The admin of people, teams, rotations and overrides: one file for each."""

from django.contrib import admin
from django.contrib.auth.models import Group

from schedules.admin.changes import SettingChangeAdmin
from schedules.admin.overrides import OverrideAdmin
from schedules.admin.people import UserAdmin
from schedules.admin.rotations import RotationAdmin
from schedules.admin.teams import TeamAdmin

__all__ = ["OverrideAdmin", "RotationAdmin", "SettingChangeAdmin", "TeamAdmin", "UserAdmin"]

# Roles belong to teams; nothing in PagerPal asks for Django's groups.
admin.site.unregister(Group)
