// Starts the real program with a RIS Live server of loopback in front of it, and a browser that notices everything that is
// wrong with a page. What is waited for is a condition; there is no sleep.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { WebSocketServer } from "ws";

const root = path.resolve(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../..");
const program = path.resolve(root, process.env.BGPWARDEN ?? "target/debug/bgpwarden");
const shots = path.resolve(root, "tests/browser/screenshots");

// The token of somebody on duty.
export const token = "of-the-test";
export const hostile = `<script>alert(1)</script>"'&\u202eevil`;

const watch = `
[[watch.constituents]]
name = "Example Bank"
asns = [64496]
contact = "noc@example.net"
[[watch.constituents.resources]]
prefix = "192.0.2.0/24"
expected_origins = [64496]
[[watch.constituents]]
name = ${JSON.stringify(hostile)}
contact = ${JSON.stringify(hostile)}
[[watch.constituents.resources]]
prefix = "198.51.100.0/24"
expected_origins = [64500]
`;

// Peers of the collector: AS and last number of the address.
const peers = [64501, 64502, 64503];

// Says to whoever subscribes what a test tells it to.
class RisLive {
  constructor() {
    this.server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    this.subscribers = new Set();
    this.listening = once(this.server, "listening");
    this.subscribed = new Promise((resolve) => {
      this.server.on("connection", (socket) => {
        socket.on("close", () => this.subscribers.delete(socket));
        socket.on("message", (text) => {
          const message = JSON.parse(text);
          if (message.type === "ping") socket.send(JSON.stringify({ type: "pong", data: null }));
          if (message.type === "ris_subscribe") resolve(this.subscribers.add(socket));
        });
      });
    });
  }

  get url() {
    return `ws://127.0.0.1:${this.server.address().port}/`;
  }

  // Every peer announces `prefix` with the end of a path, or withdraws it without one.
  async tell(prefix, tail) {
    await this.subscribed;
    for (const asn of peers) {
      const peer = `203.0.113.${asn - 64500}`;
      const news = tail
        ? { path: [asn, ...tail], origin: "IGP", announcements: [{ next_hop: peer, prefixes: [prefix] }] }
        : { withdrawals: [prefix] };
      const host = "rrc00.ripe.net";
      const data = { timestamp: Date.now() / 1000, peer, peer_asn: `${asn}`, id: `${asn}`, host, type: "UPDATE", ...news };
      for (const socket of this.subscribers) socket.send(JSON.stringify({ type: "ris_message", data }));
    }
  }

  stop() {
    for (const socket of this.server.clients) socket.terminate();
    this.server.close();
  }
}

// bgpwarden as its users run it. `tokens: false`: nobody can sign in. `webhook`: where it tells of everything.
export async function start({ tokens = true, webhook } = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), "bgpwarden-browser-"));
  const ris = new RisLive();
  await ris.listening;
  const duty = `[http.tokens.duty]\nrole = "triage"\nsecret = { file = "token" }\n`;
  const hook = `[routes.${JSON.stringify(hostile)}]\nkind = "webhook"\nurl = { file = "webhook" }\n`;
  const names = [64509, 64511].map((asn) => `${asn}|${hostile}|ORG-A\n`).join("");
  writeFileSync(path.join(folder, "as2org.txt"), `# format:aut|aut_name|org_id\n${names}`);
  writeFileSync(path.join(folder, "token"), token);
  writeFileSync(path.join(folder, "webhook"), webhook ?? "");
  writeFileSync(
    path.join(folder, "bgpwarden.toml"),
    `[http]\nlisten = "127.0.0.1:0"\nrequests_per_sec = 1000000\n${tokens ? duty : ""}
[feeds.ris]\nkind = "ris_live"\nurl = "${ris.url}"\nbootstrap = false
[rpki]\nfiles = []\n[relations]\nsiblings = "as2org.txt"\n[store]\npath = "store.db"\n${webhook ? hook : ""}${watch}`,
  );
  const child = spawn(program, ["run", "--config", "bgpwarden.toml"], { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  let said = "";
  const ended = new Promise((resolve) => child.once("close", resolve));
  const url = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => reject(new Error(`it ended: ${said}`)));
    child.stderr.on("data", (text) => {
      said += text;
      const found = said.match(/health on (http:\/\/[^,]*)\/,/);
      if (found) resolve(found[1]);
    });
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await ended;
    ris.stop();
    rmSync(folder, { recursive: true });
  };
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const ask = (question) => fetch(`${url}/api/v1/${question}`, { headers });
  const say = (id, said) =>
    fetch(`${url}/api/v1/incidents/${id}/verdicts`, { method: "POST", headers, body: JSON.stringify(said) });
  // The newest incident that fits, once there is one.
  const incident = (query) =>
    until(`an incident with ${query}`, async () => (await (await ask(`incidents?${query}`)).json()).incidents[0]);
  return { url, ris, stop, ask, say, incident };
}

// Asks again until there is an answer.
export async function until(what, look, secs = 30) {
  const end = Date.now() + secs * 1000;
  while (Date.now() < end) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`waited ${secs} s in vain: ${what}`);
}

export async function browser() {
  // Some containers have no user namespaces, which the sandbox needs.
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
}

// A tab of its own, that notices what goes wrong. `expected` are answers that are no fault, such as 401.
export async function tab(browser, site, { expected = [], signedIn = true, ...options } = {}) {
  const context = await browser.newContext({ baseURL: site.url, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  page.faults = [];
  const isExpected = (text) => expected.some((code) => text.includes(`status of ${code}`));
  page.on("console", (said) => {
    if (["error", "warning"].includes(said.type()) && !isExpected(said.text())) page.faults.push(`console: ${said.text()}`);
  });
  page.on("pageerror", (error) => page.faults.push(`script: ${error.message}`));
  page.on("dialog", (dialog) => page.faults.push(`dialog: ${dialog.message()}`));
  page.on("requestfailed", (request) => {
    // A page that is left takes the request for its icon along.
    const isLeft = request.failure()?.errorText === "net::ERR_ABORTED" && request.url().endsWith("/favicon.svg");
    if (!isLeft) page.faults.push(`failed: ${request.url()} ${request.failure()?.errorText}`);
  });
  page.on("request", (request) => {
    if (!request.url().startsWith(site.url)) page.faults.push(`from elsewhere: ${request.url()}`);
  });
  page.on("response", (response) => {
    const code = response.status();
    if (code >= 400 && !expected.includes(code)) page.faults.push(`answered ${code}: ${response.url()}`);
  });
  if (signedIn) {
    await page.goto("/account");
    await signIn(page);
  }
  return page;
}

export async function signIn(page) {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor({ state: "detached" });
  // Whoever leaves before all of it is here breaks off what is on its way.
  await page.waitForLoadState("load");
}

export async function shoot(page, name) {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });
}
