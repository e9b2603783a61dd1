// The first page lives: what happens is there without a reload.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, start, tab } from "../harness.js";

let site, chromium;
before(async () => {
  site = await start();
  chromium = await browser();
});
after(() => Promise.all([site?.stop(), chromium?.close()]));

test("an incident comes and ends before the eyes of whoever looks", async () => {
  const page = await tab(chromium, site);
  await page.goto("/");
  await page.getByText("Nothing wrong has been seen so far").waitFor();
  const loaded = await page.evaluateHandle(() => (window.loaded = {}));
  await site.ris.tell("192.0.2.0/25", [64510, 64511]);
  const row = page.locator(".incidents li").filter({ hasText: "192.0.2.0/25" });
  await row.and(page.locator(".open")).waitFor();
  assert.match(await row.textContent(), /Example Bank/);
  assert.match(await page.title(), /^1 open/);
  const { id } = await site.incident("prefix=192.0.2.0/25");
  assert.equal((await site.say(id, { verdict: "accepted_risk", why: "a drill" })).status, 201);
  await row.and(page.locator(".retracted")).waitFor();
  assert.ok(await page.evaluate((loaded) => window.loaded === loaded, loaded), "without a reload");
  assert.deepEqual(page.faults, []);
});

test("a page that lives leaves the keyboard where it is and what is open open", async () => {
  await site.ris.tell("192.0.2.0/24", [64510, 64511]);
  const { id } = await site.incident("prefix=192.0.2.0/24&match=exact");
  const page = await tab(chromium, site);
  await page.clock.install();
  await page.goto(`/incidents/${id}`);
  await page.getByText("Text to those whom it concerns").click();
  const main = await page.locator("#main").elementHandle();
  await page.clock.runFor(6_000);
  await page.waitForFunction((main) => !main.isConnected, main);
  assert.ok(await page.locator("details.letter pre").isVisible());
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Text to those whom it concerns");
  assert.deepEqual(page.faults, []);
});

test("when nobody answers any more, the title says so", async () => {
  const other = await start();
  const page = await tab(chromium, other);
  await page.goto("/");
  await other.stop();
  await page.waitForFunction(() => document.title.includes("not reachable"));
});
