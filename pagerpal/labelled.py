"""Names for the fields in the tables of the admin's forms, for who does not see the headings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
else:
    AnyModelAdmin = object


class Labels(AnyModelAdmin):
    """Before a ModelAdmin: the heading of a column is also the label of each field below it."""

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Any:
        for formset, inline in super().get_formsets_with_inlines(request, obj):
            named = isinstance(inline, admin.TabularInline)
            yield (_labelled(formset) if named else formset), inline


def _labelled(formset: Any) -> Any:
    class Labelled(formset):  # type: ignore[misc]
        def add_fields(self, form: Any, index: int | None) -> None:
            super().add_fields(form, index)
            for name, field in form.fields.items():
                label = field.label or name.replace("_", " ").capitalize()
                # The admin wraps a choice of others in its links, whose own attributes go nowhere.
                inner = getattr(field.widget, "widget", field.widget)
                inner.attrs.setdefault("aria-label", str(label))

    Labelled.__name__ = formset.__name__
    return Labelled
