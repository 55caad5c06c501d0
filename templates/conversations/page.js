"use strict";
const search = document.getElementById("search"), count = document.getElementById("count");
const texts = new Map();
for (const one of document.querySelectorAll("article")) texts.set(one, one.textContent.toLowerCase());
function show() {
  const wanted = search.value.trim().toLowerCase();
  let shown = 0;
  for (const [one, text] of texts) {
    one.hidden = wanted !== "" && !text.includes(wanted);
    document.querySelector(`[data-of="${one.id}"]`).hidden = one.hidden;
    if (!one.hidden) shown++;
  }
  count.textContent = `${shown} conversation${shown === 1 ? "" : "s"}`;
}
search.addEventListener("input", show);
if (location.hash.startsWith("#q=")) {
  search.value = decodeURIComponent(location.hash.slice(3));
  show();
}
