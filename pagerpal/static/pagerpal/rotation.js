/* The rotation's form in the admin, quicker with a mouse. Without this file all of it works too:
   a length of one's own is typed beside "Custom", days are ticked and the order is typed. */
(() => {
  "use strict";
  const form = document.getElementById("rotation_form");
  const length = form && form.querySelector(".form-row.field-every");
  if (!length || !form.elements.turns) return; // only to be looked at

  // The two fields of a custom turn are asked for only where they count.
  const fit = () => {
    const custom = form.elements.turns.value === "custom";
    length.classList.toggle("hidden", !custom);
    for (const field of length.querySelectorAll("input, select")) field.disabled = !custom;
  };
  form.addEventListener("change", event => { if (event.target.name === "turns") fit(); });
  fit();

  const button = (word, name, value, label) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "small";
    made.textContent = word;
    made.dataset[name] = value;
    if (label) made.setAttribute("aria-label", label);
    return made;
  };

  // Also into the row that the admin copies for each new one: a copy has no listeners of its own,
  // so one listener on the form answers for all.
  for (const cell of form.querySelectorAll("#windows-group td.field-days")) {
    const row = document.createElement("div");
    row.append(button("Mon-Fri", "days", "01234"), " ", button("Sat, Sun", "days", "56"), " ",
      button("All", "days", "0123456"));
    cell.append(row);
  }
  for (const cell of form.querySelectorAll("#members-group td.field-position")) {
    cell.append(" ", button("\u2191", "move", "up", "Move up"), " ",
      button("\u2193", "move", "down", "Move down"));
  }
  form.addEventListener("click", event => {
    const { days, move } = event.target.dataset;
    const row = event.target.closest("tr");
    if (days) {
      for (const box of row.querySelectorAll("input[type=checkbox][name$=-days]")) {
        box.checked = days.includes(box.value);
      }
    }
    if (move) swap(row, move === "up");
  });

  const filled = () => [...form.querySelectorAll("#members-group tr.form-row:not(.empty-form)")]
    .filter(row => row.querySelector(".field-user select").value);
  const swap = (row, up) => {
    const rows = filled(), place = rows.indexOf(row), other = rows[place + (up ? -1 : 1)];
    if (place < 0 || !other) return;
    if (up) other.before(row); else other.after(row);
    filled().forEach((one, number) => {
      one.querySelector(".field-position input").value = number + 1;
    });
    row.querySelector(`button[data-move=${up ? "up" : "down"}]`).focus();
  };
})();
