// What the tests share: Countersign and the shop as they are, in a temporary directory, and Chromium.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../target");
const COUNTERSIGN = process.env.COUNTERSIGN_BIN ?? join(target, "debug/countersign");
const STOREFRONT = process.env.STOREFRONT_BIN ?? join(target, "debug/storefront");

/** For whoever starts them by other means. */
export const bins = { COUNTERSIGN_BIN: COUNTERSIGN, STOREFRONT_BIN: STOREFRONT };

export const PASSWORD = "plum-harbour-41";
export const MODES = ["cookie", "token"];

/** How long anything may take on a busy machine before its test has failed. */
export const PATIENCE = 20_000;

/** The public URL has the shop's port in it, so that it must be known before either starts. */
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function start(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "inherit"] });
  const line = await new Promise((done, failed) => {
    createInterface(child.stdout).once("line", done);
    child.once("exit", (code) => failed(new Error(`${program} ended with ${code}`)));
  });
  const stop = () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill("SIGTERM");
    return ended;
  };
  return { line, stop };
}

/**
 * Both, with a browser and the accounts `grace` (admin), `ada` and `bob`. `lifetime` is that of an
 * access token; a short one comes with a guard that allows its clock to be off by as little as it can.
 */
export async function openShop({ lifetime } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "storefront-e2e-"));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  const env = {
    PATH: process.env.PATH,
    COUNTERSIGN_SERVER__DATA: join(folder, "data"),
    COUNTERSIGN_SERVER__PUBLIC_URL: `${url}/auth`,
    COUNTERSIGN_SERVER__TRUSTED_PROXIES: "127.0.0.1",
    COUNTERSIGN_CORS__ORIGINS: url,
    COUNTERSIGN_LOG__LEVEL: "warn",
    COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB: "8",
    ...(lifetime && { COUNTERSIGN_TOKEN__LIFETIME: `${lifetime}s` }),
  };
  const cli = (...args) => {
    const input = args.includes("--password-stdin") ? PASSWORD : "";
    return execFileSync(COUNTERSIGN, args, { cwd: folder, env, input, encoding: "utf8" });
  };
  for (const name of ["grace", "ada", "bob"]) {
    cli("user", "add", "--username", name, "--password-stdin", ...(name === "grace" ? ["--role", "admin"] : []));
  }
  const issuer = await start(COUNTERSIGN, ["serve", "--listen", "127.0.0.1:0", "--json"], { cwd: folder, env });
  const issuerAt = `http://${JSON.parse(issuer.line).listen}`;
  const shop = await start(STOREFRONT, [], {
    cwd: folder,
    env: {
      ISSUER: `${issuerAt}/auth`,
      LISTEN: `127.0.0.1:${port}`,
      PAGES: join(here, "dist"),
      ...(lifetime && { LEEWAY: "2" }),
    },
  });
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"],
  });

  return {
    url,
    port,
    cli,

    /** Somebody with a browser of their own, in front of the shop. */
    async visitor(mode, path = "/") {
      const localStorage = [{ name: "storefront-mode", value: mode }];
      const context = await browser.newContext({ storageState: { cookies: [], origins: [{ origin: url, localStorage }] } });
      context.setDefaultTimeout(PATIENCE);
      return visit(await context.newPage(), url, path);
    },

    /** How many refreshes Countersign has answered with 200. */
    async refreshes() {
      const text = await (await fetch(`${issuerAt}/auth/metrics`)).text();
      const line = /^countersign_http_requests_total\{method="POST",route="\/auth\/refresh",status="200"\} (\d+)$/m;
      return Number(line.exec(text)?.[1] ?? 0);
    },

    /** What the shop's API says to a token, whoever brings it. */
    async ask(token, path = "/api/wishes", method = "GET") {
      const answer = await fetch(url + path, { method, headers: { Authorization: `Bearer ${token}` } });
      const body = answer.status === 204 ? undefined : await answer.json();
      return { status: answer.status, code: body?.code, body };
    },

    /** Waits until the API refuses a token for this reason, for no longer than that (milliseconds). */
    async refuses(token, reason, within) {
      for (const began = Date.now(); ; ) {
        const { status, code } = await this.ask(token);
        if (status === 401) return assert.equal(code, reason);
        assert.ok(Date.now() - began < within, `the shop still takes it after ${within} ms`);
      }
    },

    async close() {
      await browser.close();
      await shop.stop();
      assert.equal(await issuer.stop(), 0);
      rmSync(folder, { recursive: true });
    },
  };
}

/** A page with what tests do on it. */
async function visit(page, url, path) {
  const context = page.context();
  const tab = {
    page,
    context,
    errors: [],
    dialog: page.getByRole("dialog"),
    account: page.locator(".account-name"),
    toast: page.locator(".toast"),
    heart: (name) => page.getByRole("button", { name: `Wish for ${name}` }),

    async fill(name, password = PASSWORD) {
      await tab.dialog.getByLabel(/^Username/).fill(name);
      await tab.dialog.getByLabel("Password").fill(password);
      await tab.dialog.locator("form button").click();
    },
    async signIn(name) {
      await page.getByRole("button", { name: "Sign in" }).click();
      await tab.fill(name);
      await tab.dialog.waitFor({ state: "hidden" });
      await tab.isSignedInAs(name);
    },
    async logOut(button = "Log out") {
      await tab.account.click();
      await page.locator("#menu").getByRole("button", { name: button, exact: true }).click();
      await tab.isSignedOut();
    },
    isSignedInAs: (name) => page.locator(".account-name", { hasText: name }).waitFor(),
    isSignedOut: (timeout = PATIENCE) => page.locator(".account-name", { hasText: "Sign in" }).waitFor({ timeout }),
    wished: (name) => page.locator(`button[aria-pressed=true][aria-label="Wish for ${name}"]`).waitFor(),
    /** What the page knows by now is on the screen. */
    painted: () => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))),
    wishes: () => page.locator("button.wish[aria-pressed=true]").count(),

    /** The access token, from where it is held. A script in the page could not do that with a cookie. */
    async token() {
      const kept = await page.evaluate(() => JSON.parse(sessionStorage.getItem("jwt"))?.access_token);
      return kept ?? (await tab.cookie("__Host-token"));
    },
    cookie: async (name) => (await context.cookies()).find((cookie) => cookie.name === name)?.value,

    /** Another tab of the same browser. In token mode, one that has the tokens from its opener. */
    async another() {
      const opened = context.waitForEvent("page");
      await page.evaluate(() => void window.open("/"));
      return visit(await opened, url, "/");
    },

    close: () => context.close(),
  };
  // What a browser says on the console about refused requests is no error of the page.
  page.on("pageerror", (error) => tab.errors.push(error.message));
  page.on("console", (message) => /Content.Security|Trusted/.test(message.text()) && tab.errors.push(message.text()));
  await page.goto(url + path);
  await page.locator(".account-name:not([aria-busy])").waitFor();
  return tab;
}
