// Gives the search boxes that select2 draws the names of the fields they stand for.
"use strict";
function nameBoxes() {
    document.querySelectorAll("select.admin-autocomplete").forEach(select => {
        const box = select.nextElementSibling;
        const said = select.labels && select.labels[0];
        const name = select.getAttribute("aria-label") || (said && said.textContent.replace(/:\s*$/, ""));
        if (!box || !name || !box.classList.contains("select2-container")) return;
        box.querySelectorAll(".select2-selection__rendered[role], .select2-search__field").forEach(
            part => part.setAttribute("aria-label", name));
        const shown = box.querySelector(".select2-selection--single");
        if (shown) {
            shown.removeAttribute("aria-labelledby");
            shown.setAttribute("aria-label", name);
        }
    });
}
// In the queue of jQuery, behind what draws the boxes; pages without it have none.
if (window.django && window.django.jQuery) window.django.jQuery(nameBoxes);
document.addEventListener("formset:added", () => window.setTimeout(nameBoxes, 0));
