// Somebody wants to know whether a route works, before the night does.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, test } from "node:test";
import { browser, hostile, shoot, start, tab, until } from "../harness.js";

let chromium;
before(async () => (chromium = await browser()));
after(() => chromium?.close());

// bgpwarden with a route of a hostile name to a receiver that answers as `answers` says; what came is kept.
async function withReceiver(answers, look) {
  const came = [];
  const receiver = createServer(async (request, answer) => {
    let body = "";
    for await (const part of request) body += part;
    came.push({ id: request.headers["webhook-id"], code: answers.code, ...JSON.parse(body) });
    answer.writeHead(answers.code).end(hostile);
  }).listen(0, "127.0.0.1");
  await once(receiver, "listening");
  const site = await start({ webhook: `http://127.0.0.1:${receiver.address().port}/` });
  try {
    await look(site, came);
  } finally {
    await site.stop();
    receiver.close();
  }
}

for (const [code, said, javaScriptEnabled] of [
  [200, /delivered: 200 OK/, true],
  [401, /failed: answered 401 Unauthorized.*token or password is right/s, false],
]) {
  test(`a test is sent ${javaScriptEnabled ? "with" : "without"} JavaScript, and the answer ${code} stands on the page`, async () => {
    await withReceiver({ code }, async (site, came) => {
      const page = await tab(chromium, site, { javaScriptEnabled, expected: [429] });
      await page.goto("/health");
      await page.getByRole("button", { name: "Send a test" }).click();
      await page.locator("td.test b").waitFor();
      assert.equal(new URL(page.url()).pathname, "/health");
      const told = await page.locator("td.test").filter({ has: page.locator("b") }).textContent();
      assert.match(told, said);
      assert.ok(told.includes(hostile.replace("\u202e", "\ufffd")) && told.includes("by duty"), told);
      assert.equal(came.filter(({ kind }) => kind === "test").length, 1);
      await shoot(page, `health-test-${code}`);
      await page.getByRole("button", { name: "Send a test" }).click();
      await page.getByRole("heading", { name: "Too Many Requests" }).waitFor();
      assert.equal(came.filter(({ kind }) => kind === "test").length, 1, "one press floods nobody");
      assert.deepEqual(page.faults, []);
    });
  });
}

test("what was refused is sent again under the same id, and is no trouble any more", async () => {
  const answers = { code: 422 };
  await withReceiver(answers, async (site, came) => {
    await site.ris.tell("192.0.2.0/25", [64510, 64511]);
    const page = await tab(chromium, site);
    const refused = page.getByRole("button", { name: "again to" });
    await until("a dead letter is on the page", async () => {
      await page.goto("/health");
      return (await refused.count()) > 0 && came.some(({ sequence }) => sequence === 1);
    });
    answers.code = 200;
    await refused.click();
    await page.waitForURL(/#sinks$/);
    const first = came.find(({ sequence }) => sequence === 1);
    await until("it came again", async () => came.some(({ id, code }) => id === first.id && code === 200));
    await until("the page knows", async () => {
      await page.goto("/health");
      return (await refused.count()) === 0;
    });
    assert.deepEqual(page.faults, []);
  });
});
