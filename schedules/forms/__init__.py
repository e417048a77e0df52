"""The admin's forms, one file for each of its pages."""

from schedules.forms.inputs import ZoneSelect, browser_input
from schedules.forms.overrides import OverrideForm
from schedules.forms.people import NewPersonForm, PersonForm
from schedules.forms.rotations import PlaceForm, PlaceFormSet, RotationForm, WindowForm
from schedules.forms.teams import MembershipForm, TeamForm

__all__ = [
    "MembershipForm",
    "NewPersonForm",
    "OverrideForm",
    "PersonForm",
    "PlaceForm",
    "PlaceFormSet",
    "RotationForm",
    "TeamForm",
    "WindowForm",
    "ZoneSelect",
    "browser_input",
]
