// Chooses the browser's own time zone where nobody has sent one yet.
"use strict";

document.querySelectorAll("select[data-guess-zone]").forEach((select) => {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = [...select.options].some((option) => option.value === zone);
  if (known) select.value = zone;
});
