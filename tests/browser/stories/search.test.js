// From an incident to its prefix, to what else was there, to whom it concerns.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, hostile, start, tab } from "../harness.js";

let site, chromium;
before(async () => {
  site = await start();
  chromium = await browser();
  for (const [prefix, origin] of [["192.0.2.0/25", 64511], ["198.51.100.0/24", 64509]]) {
    await site.ris.tell(prefix, [64510, origin]);
    await site.incident(`prefix=${prefix}&match=exact`);
  }
});
after(() => Promise.all([site?.stop(), chromium?.close()]));

const titles = (page) => page.locator(".incidents .title").allTextContents();

test("incidents are found by what somebody fills in", async () => {
  const page = await tab(chromium, site, { expected: [400] });
  await page.goto("/");
  await page.getByRole("link", { name: "History" }).click();
  assert.equal((await titles(page)).length, 2);
  await page.getByLabel("Prefix or address").fill("192.0.2.77");
  await page.getByLabel("Status").selectOption("open");
  await page.getByRole("button", { name: "Search" }).click();
  await page.waitForURL(/prefix=192/);
  const [found, ...others] = await titles(page);
  assert.match(found, /192\.0\.2\.0\/25/);
  assert.equal(others.length, 0);
  await page.getByLabel("Class").selectOption("route_leak");
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByText("Nothing fits").waitFor();
  await page.getByLabel("Suspect AS").fill(hostile);
  await page.getByRole("button", { name: "Search" }).click();
  assert.match(await page.getByRole("alert").textContent(), /suspect.*expected an AS number/);
  assert.equal(await page.getByLabel("Prefix or address").inputValue(), "192.0.2.77");
  assert.deepEqual(page.faults, []);
});

test("an incident leads to its prefix, and the prefix back to it", async () => {
  const page = await tab(chromium, site);
  await page.goto(`/incidents/${(await site.incident("prefix=192.0.2.0/25")).id}`);
  await page.getByRole("link", { name: "192.0.2.0/25", exact: true }).first().click();
  await page.getByRole("heading", { name: "192.0.2.0/25" }).waitFor();
  assert.match(await page.locator("#main").textContent(), /Watched for Example Bank/);
  assert.match(await page.locator("tr", { hasText: "AS64511" }).first().textContent(), /not evaluated.*3.*new here/s);
  assert.equal((await titles(page)).length, 1);
  await page.getByLabel("Prefix or address").fill("nonsense");
  assert.deepEqual(page.faults, []);
});

test("an AS shows what it announces, who stands next to it and what it is suspected of", async () => {
  const page = await tab(chromium, site);
  await page.goto("/prefix?prefix=192.0.2.0/25");
  await page.getByRole("link", { name: "AS64511", exact: true }).first().click();
  await page.getByRole("heading", { name: "AS64511" }).waitFor();
  const row = (text) => page.locator("tr", { hasText: text });
  assert.match(await row("192.0.2.0/25").last().textContent(), /not evaluated.*3/s);
  assert.match(await row("AS64510").textContent(), /unknown.*3/s);
  await page.getByRole("link", { name: /^AS64511 announces/ }).click();
  await page.waitForURL(/\/incidents\//);
  assert.deepEqual(page.faults, []);
});

test("a watched network shows how it fares and leads to its incidents", async () => {
  const page = await tab(chromium, site);
  await page.goto("/constituents");
  const bank = page.locator(".incidents li").filter({ hasText: hostile.replace("\u202e", "\ufffd") });
  await bank.getByRole("link", { name: "1 open" }).click();
  await page.waitForURL(/\/history\?constituent=/);
  const found = await titles(page);
  assert.equal(found.length, 1);
  assert.match(found[0], /198\.51\.100\.0\/24/);
  assert.deepEqual(page.faults, []);
});
