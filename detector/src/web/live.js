// Fetches a page that lives again every five seconds and swaps its middle; without this script it is the same, only still.
"use strict";
const PERIOD_MS = 5000;
const middle = () => document.getElementById("main");
const isFilledIn = (field) => field.value !== (field.defaultValue ?? field.value) || field.checked !== (field.defaultChecked ?? field.checked);
const isBeingUsed = () => {
  const selected = document.getSelection();
  const isInForm = document.activeElement?.closest("#main form") || [...middle().querySelectorAll("input, textarea")].some(isFilledIn);
  return document.hidden || (selected && !selected.isCollapsed) || isInForm;
};
// What somebody opened stays open, and who goes from place to place by keyboard stays where they are.
const places = (main) => [...main.querySelectorAll("a, button, summary, [tabindex]")];
const carryOver = (from, to) => {
  for (const opened of from.querySelectorAll("details[open][id]")) to.querySelector(`#${opened.id}`)?.setAttribute("open", "");
  return places(from).indexOf(document.activeElement);
};
const refresh = async () => {
  if (!("live" in middle().dataset) || isBeingUsed()) return;
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok || isBeingUsed()) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  const main = fresh.getElementById("main");
  const at = carryOver(middle(), main);
  middle().replaceWith(main);
  if (at >= 0) places(main)[at]?.focus({ preventScroll: true });
  document.title = fresh.title;
};
setInterval(() => refresh().catch(() => { document.title = "(not reachable) bgpwarden"; }), PERIOD_MS);
