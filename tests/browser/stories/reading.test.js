// Every page can be read: by those who have no script, a small screen, a dark room, a keyboard, or no sight.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { browser, hostile, shoot, start, tab, until } from "../harness.js";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const incidents = {};
let site, chromium, pages, receiver;
before(async () => {
  // A receiver that will never take anything, so that there are dead letters to look at.
  receiver = createServer((_, answer) => answer.writeHead(422).end(hostile)).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  site = await start({ webhook: `http://127.0.0.1:${receiver.address().port}/` });
  chromium = await browser();
  const told = [
    ["ordinary", "192.0.2.0/25", [64510, 64511]],
    ["hostile", "198.51.100.0/24", [64510, 64509]],
  ];
  for (const [name, prefix, tail] of told) {
    await site.ris.tell(prefix, tail);
    incidents[name] = (await site.incident(`prefix=${prefix}&match=exact`)).id;
  }
  pages = {
    now: "/",
    incident: `/incidents/${incidents.ordinary}`,
    "incident-hostile": `/incidents/${incidents.hostile}`,
    history: "/history?min_severity=low&since=2026-01-01",
    "prefix-empty": "/prefix",
    prefix: "/prefix?prefix=192.0.2.0/25",
    "prefix-hostile": "/prefix?prefix=198.51.100.0/24",
    "as-empty": "/as",
    as: "/as?asn=AS64511",
    constituents: "/constituents",
    watched: "/watched",
    health: "/health",
    api: "/api",
    account: "/account",
  };
  const status = async () => (await site.ask("status")).json();
  await until("a dead letter", async () => (await status()).sinks.some((sink) => sink.dead_letters.length > 0));
  await until("the watched prefixes were looked at", async () => (await (await site.ask("watched")).json()).seen > 0);
});
after(() => Promise.all([site?.stop(), chromium?.close(), receiver?.close()]));

// Every page in a tab with these options; none has a fault.
async function visit(options, look) {
  const page = await tab(chromium, site, options);
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(path);
    await look(page, name);
    assert.deepEqual(page.faults, [], name);
  }
  await page.context().close();
}

test("without JavaScript all is there", async () => {
  await visit({ javaScriptEnabled: false }, async (page, name) => {
    assert.ok(await page.getByRole("heading", { level: 1 }).isVisible(), name);
    const links = await page.getByRole("navigation").getByRole("link").all();
    assert.ok(links.length >= 5, name);
    if (name.startsWith("incident")) assert.ok(await page.getByRole("button", { name: "False positive" }).isVisible());
  });
});

test("what others wrote is shown as they wrote it and does nothing", async () => {
  const shown = hostile.replace("\u202e", "\ufffd");
  await visit({}, async (page, name) => {
    const silent = ["prefix-empty", "as-empty", "api", "account"];
    const text = await page.locator("#main").textContent();
    assert.ok((text.includes(shown) || silent.includes(name)) && !text.includes("\u202e"), name);
    assert.equal(await page.locator("main script").count(), 0);
  });
});

test("an AS leads to what it announces, with its name beside it", async () => {
  const page = await tab(chromium, site);
  await page.goto(pages.incident);
  const suspect = page.locator(".facts div").filter({ hasText: "Suspects" });
  assert.ok((await suspect.textContent()).includes(`AS64511 ${hostile.replace("\u202e", "\ufffd")}`));
  await suspect.getByRole("link", { name: "AS64511" }).click();
  await page.getByRole("heading", { level: 1, name: "AS64511 <script>" }).waitFor();
  assert.equal(new URL(page.url()).search, "?asn=64511");
  assert.deepEqual(page.faults, []);
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing, contrast AA included, when it is ${colorScheme}`, async () => {
    await visit({ colorScheme }, async (page, name) => {
      await page.evaluate(axe);
      // What is folded up must be readable as well.
      await page.evaluate(() => document.querySelectorAll("details").forEach((details) => (details.open = true)));
      const found = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"] }));
      const faults = found.violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.any[0]?.message ?? ""}`));
      assert.deepEqual(faults, [], name);
      await shoot(page, `${name}-${colorScheme}`);
    });
  });
}

test("a narrow screen needs no scrolling sideways", async () => {
  await visit({ viewport: { width: 375, height: 800 } }, async (page, name) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 375, `${name}: ${wide}`);
    await shoot(page, `${name}-narrow`);
  });
});

test("the keyboard reaches everything in order, and it is seen where it is", async () => {
  await visit({}, async (page, name) => {
    // In the order of the page; of some fields, such as a date, the browser itself makes several stops.
    const all = await page.evaluate(() => {
      const able = "a[href], button, input:not([type=hidden]), textarea, select, summary, [tabindex]";
      window.reachable = [...document.querySelectorAll(able)].filter((element) => element.checkVisibility());
      return window.reachable.length;
    });
    const seen = new Set();
    for (let stop = 0; stop < all * 2 + 8 && seen.size < all; stop += 1) {
      await page.keyboard.press("Tab");
      const at = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        const isMarked = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
        return { place: window.reachable.indexOf(document.activeElement), isMarked, what: document.activeElement.outerHTML };
      });
      if (at.place < 0) continue;
      assert.ok(at.isMarked, `${name}: ${at.what}`);
      assert.ok(at.place <= seen.size, `${name}: out of order at ${at.what}`);
      seen.add(at.place);
    }
    assert.equal(seen.size, all, name);
  });
});

test("what is not there says so", async () => {
  const page = await tab(chromium, site, { expected: [404] });
  for (const path of ["/nowhere", "/incidents/bw-none"]) {
    assert.equal((await page.goto(path)).status(), 404);
    await page.getByRole("heading", { name: "Not here" }).waitFor();
  }
  assert.deepEqual(page.faults, []);
  await shoot(page, "missing");
});
