// Somebody on duty says what is to be thought of an incident.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { browser, hostile, shoot, signIn, start, tab, until } from "../harness.js";

let site, chromium;
const query = "prefix=192.0.2.0/24&status=open";
before(async () => {
  site = await start();
  chromium = await browser();
  await site.ris.tell("192.0.2.0/24", [64510, 64511]);
});
after(() => Promise.all([site?.stop(), chromium?.close()]));

for (const javaScriptEnabled of [true, false]) {
  test(`a false positive is said, seen and taken back ${javaScriptEnabled ? "with" : "without"} JavaScript`, async () => {
    const page = await tab(chromium, site, { expected: [401], signedIn: false, javaScriptEnabled });
    const { id } = await site.incident(query);
    await page.goto(`/incidents/${id}`);
    await signIn(page);
    assert.equal(new URL(page.url()).pathname, `/incidents/${id}`, "led to where it was wanted");
    await page.getByLabel("Why", { exact: true }).fill(`${hostile} a new transit`);
    await page.getByLabel("Until").fill("2099-12-31");
    await page.getByRole("button", { name: "False positive" }).click();
    await page.locator(".verdicts li").first().waitFor();
    await until("it is retracted", async () => {
      await page.reload();
      return (await page.locator(".incident .status").textContent()) === "retracted";
    });
    const said = page.locator(".verdicts li").first();
    assert.match(await said.textContent(), /False positive\s+by duty, .*until 2100-01-01 00:00:00 UTC/s);
    // What changes the writing direction is shown as what it is: nothing to read.
    assert.equal(await said.locator(".why").textContent(), `${hostile.replace("\u202e", "\ufffd")} a new transit`);
    await shoot(page, `triage-${javaScriptEnabled ? "with" : "without"}-script`);
    await said.getByText("Take it back").click();
    await said.getByLabel("Why").fill("it was not ours");
    await said.getByRole("button", { name: "Take back" }).click();
    await page.getByText("(taken back)").first().waitFor();
    const { title } = await site.incident(query);
    await page.goto("/");
    await page.locator(".incidents .open").getByRole("link", { name: title }).waitFor();
    await page.goto("/account");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.deepEqual(page.faults, []);
  });
}

test("what cannot be said is told, and what was written stays", async () => {
  const page = await tab(chromium, site, { expected: [404] });
  await page.goto(`/incidents/${(await site.incident(query)).id}`);
  await page.getByLabel("Why", { exact: true }).fill("the same as yesterday");
  await page.getByLabel("Duplicate of").fill("bw-none");
  await page.getByRole("button", { name: "Duplicate" }).click();
  await page.getByRole("alert").waitFor();
  assert.match(await page.getByRole("alert").textContent(), /no such incident/);
  assert.equal(await page.getByLabel("Why", { exact: true }).inputValue(), "the same as yesterday");
  assert.deepEqual(page.faults, []);
});

test("what is being written is not swept away by what happens meanwhile", async () => {
  const page = await tab(chromium, site);
  await page.clock.install();
  const { id } = await site.incident(query);
  await page.goto(`/incidents/${id}`);
  await page.getByLabel("Why", { exact: true }).fill("half a sen");
  await page.getByRole("heading", { level: 1 }).click();
  let asked = 0;
  page.on("request", () => (asked += 1));
  await page.clock.runFor(60_000);
  assert.equal(await page.getByLabel("Why", { exact: true }).inputValue(), "half a sen");
  assert.equal(asked, 0);
  await page.getByLabel("Why", { exact: true }).fill("");
  await page.getByRole("heading", { level: 1 }).click();
  const fetched = page.waitForResponse((response) => response.url().endsWith(id));
  await page.clock.runFor(6_000);
  await fetched;
  assert.deepEqual(page.faults, []);
});

test("where nobody has a token, the page says how to make one", async () => {
  const open = await start({ tokens: false });
  try {
    await open.ris.tell("192.0.2.0/24", [64510, 64511]);
    const page = await tab(chromium, open, { signedIn: false });
    await page.goto(`/incidents/${(await open.incident(query)).id}`);
    await page.getByText("[http.tokens.duty]").waitFor();
    assert.equal(await page.getByRole("button").count(), 0);
    await page.goto("/account");
    await page.getByText("[http.tokens.duty]").waitFor();
    assert.deepEqual(page.faults, []);
  } finally {
    await open.stop();
  }
});
