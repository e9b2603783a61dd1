// Fetches this page again every five seconds and swaps its middle; without this script the page is the same, only still.
"use strict";
const PERIOD_MS = 5000;
const isBeingUsed = () => {
  const main = document.getElementById("main");
  const selected = document.getSelection();
  return document.hidden || (selected && !selected.isCollapsed) || main.contains(document.activeElement);
};
const refresh = async () => {
  if (isBeingUsed()) return;
  const response = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!response.ok) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  document.getElementById("main").replaceWith(fresh.getElementById("main"));
  document.title = fresh.title;
};
setInterval(() => refresh().catch(() => { document.title = "(not reachable) bgpwarden"; }), PERIOD_MS);
