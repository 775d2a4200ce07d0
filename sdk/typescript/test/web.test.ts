// Express and Fastify before the real server: a logout is honoured, and everything else refused.

import type { AddressInfo } from "node:net";
import { createServer, request as httpRequest, type Server as HttpServer } from "node:http";

import expressApp from "express";
import fastifyApp from "fastify";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { createVerifier, express, fastify, type Claims, type Verifier } from "../src/server.js";
import { Browser } from "./support/browser.js";
import { eventually, PASSWORD, Server, someone } from "./support/server.js";

let server: Server;
let verifier: Verifier;

beforeAll(async () => {
  server = await Server.start();
  verifier = createVerifier({ issuer: server.url, log: () => {} });
  await verifier.ready;
});
afterAll(async () => {
  verifier.close();
  await server.stop();
});

const name = (claims: Claims | undefined) => ({ name: claims?.username ?? null });

const programs = {
  async express(verifier: Verifier): Promise<[string, () => unknown]> {
    const app = expressApp();
    const origins = ["https://friend.example"];
    app.all("/me", express(verifier, { origins }), (request, response) => void response.json(name(request.claims)));
    app.all("/admin", express(verifier, { role: "admin" }), (request, response) => void response.json(name(request.claims)));
    app.all("/fresh", express(verifier, { fresh: true }), (request, response) => void response.json(name(request.claims)));
    app.all("/maybe", express(verifier, { optional: true }), (request, response) => void response.json(name(request.claims)));
    app.all("/header", express(verifier, { cookie: false }), (request, response) => void response.json(name(request.claims)));
    const http: HttpServer = createServer(app);
    await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
    return [`http://127.0.0.1:${(http.address() as AddressInfo).port}`, () => (http.closeAllConnections(), http.close())];
  },
  async fastify(verifier: Verifier): Promise<[string, () => unknown]> {
    const app = fastifyApp();
    const origins = ["https://friend.example"];
    const routes = { "/me": { origins }, "/admin": { role: "admin" }, "/fresh": { fresh: true }, "/maybe": { optional: true }, "/header": { cookie: false } } as const;
    for (const [path, demands] of Object.entries(routes)) {
      app.all(path, { onRequest: fastify(verifier, demands) }, async (request) => name((request as { claims?: Claims }).claims));
    }
    return [await app.listen({ port: 0, host: "127.0.0.1" }), () => app.close()];
  },
};

/** With headers as they stand, repeated ones too. */
function ask(url: string, headers: [string, string][] = [], method = "GET"): Promise<{ status: number; body: any; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers: [["Host", new URL(url).host], ["Content-Length", "0"], ...headers].flat() as never }, (response) => {
      let text = "";
      response.on("data", (chunk) => (text += chunk));
      response.on("end", () => resolve({ status: response.statusCode!, body: JSON.parse(text || "null"), headers: response.headers }));
    });
    request.on("error", reject);
    request.end();
  });
}

describe.each(["express", "fastify"] as const)("%s", (kind) => {
  let base: string;
  let stop: () => unknown;
  let good: string;

  beforeAll(async () => {
    [base, stop] = await programs[kind](verifier);
    const username = someone();
    server.addUser(username);
    good = (await server.login(username)).access_token;
  });
  afterAll(() => stop());

  test("odd headers are refused and never skipped for a cookie", async () => {
    const cookie: [string, string] = ["Cookie", `a=b; __Host-token=${good}; c`];
    const site: [string, string] = ["Sec-Fetch-Site", "same-origin"];
    const cases: [string, string, [string, string][], number, string][] = [
      ["GET", "/me", [], 401, "token_missing"],
      ["GET", "/me", [["Authorization", "Bearer"], cookie], 401, "token_malformed"],
      ["GET", "/me", [["Authorization", `Bearer ${good} x`], cookie], 401, "token_malformed"],
      ["GET", "/me", [["Authorization", "Bearer x.y.z"], cookie], 401, "token_malformed"],
      ["GET", "/me", [["Authorization", `Bearer ${good}`], ["Authorization", `Bearer ${good}`]], 401, "token_malformed"],
      ["GET", "/me", [["Authorization", "Ba(sic abc"], cookie], 401, "token_malformed"],
      ["GET", "/me", [["Authorization", "Basic abc"]], 401, "token_missing"],
      ["GET", "/me", [cookie, ["Cookie", "__Host-token=d"]], 401, "token_malformed"],
      ["GET", "/me", [["Cookie", `__Host-token=${good}; __Host-token=`]], 401, "token_malformed"],
      ["GET", "/me", [["Cookie", "__Host-token="]], 401, "token_missing"],
      ["GET", "/me", [["Cookie", `x__Host-token=${good}`]], 401, "token_missing"],
      ["GET", "/maybe", [["Authorization", "Bearer x.y.z"]], 401, "token_malformed"],
      ["GET", "/header", [cookie], 401, "token_missing"],
      ["GET", "/admin", [cookie], 403, "forbidden"],
      ["POST", "/me", [cookie, ["Sec-Fetch-Site", "cross-site"]], 403, "cross_site_request"],
      ["POST", "/me", [cookie, ["Sec-Fetch-Site", "same-site"]], 403, "cross_site_request"],
      ["POST", "/me", [cookie, site, ["Sec-Fetch-Site", "cross-site"]], 403, "cross_site_request"],
      ["DELETE", "/me", [cookie, ["Origin", "https://evil.example"]], 403, "cross_site_request"],
      ["POST", "/me", [cookie, ["Origin", "null"]], 403, "cross_site_request"],
      ["POST", "/maybe", [cookie, ["Origin", "https://friend.example"]], 403, "cross_site_request"],
    ];
    for (const [method, path, headers, status, code] of cases) {
      const answer = await ask(base + path, headers, method);
      expect([path, headers, answer.status, answer.body.code]).toEqual([path, headers, status, code]);
      expect(answer.headers["cache-control"]).toBe("no-store");
      expect(typeof answer.headers["www-authenticate"]).toBe(status === 401 ? "string" : "undefined");
    }
    const allowed: [string, string, [string, string][]][] = [
      ["GET", "/me", [cookie]],
      ["GET", "/me", [cookie, ["Sec-Fetch-Site", "cross-site"]]],
      ["GET", "/me", [["Authorization", `bearer  ${good}`], ["Cookie", "__Host-token=x"]]],
      ["GET", "/me", [["Authorization", "Basic abc"], cookie]],
      ["POST", "/me", [cookie]],
      ["POST", "/me", [cookie, site, ["Origin", "https://app.example"]]],
      ["POST", "/me", [cookie, ["Origin", "https://friend.example"], ["Sec-Fetch-Site", "cross-site"]]],
      ["POST", "/me", [["Authorization", `Bearer ${good}`], ["Sec-Fetch-Site", "cross-site"]]],
      ["GET", "/fresh", [cookie]],
    ];
    for (const [method, path, headers] of allowed) expect((await ask(base + path, headers, method)).status).toBe(200);
    expect((await ask(`${base}/maybe`)).body).toEqual({ name: null });
  });

  test("a role lets in, and a token that was refreshed is not straight from a password", async () => {
    const username = someone();
    server.addUser(username, "admin");
    const login = await server.login(username);
    expect((await ask(`${base}/admin`, [["Authorization", `Bearer ${login.access_token}`]])).body).toEqual({ name: username });
    const { access_token } = await server.post("/refresh", { refresh_token: login.refresh_token });
    const answer = await ask(`${base}/fresh`, [["Authorization", `Bearer ${access_token}`]]);
    expect([answer.status, answer.body.code]).toEqual([401, "fresh_login_required"]);
    expect(answer.headers["www-authenticate"]).toContain('error="insufficient_user_authentication"');
  });

  test("a logout is honoured, half of the times within a hundred milliseconds", async () => {
    const username = someone();
    server.addUser(username);
    const took: number[] = [];
    for (let n = 0; n < 10; n++) {
      const { access_token } = await server.login(username);
      const headers: [string, string][] = [["Authorization", `Bearer ${access_token}`]];
      expect((await ask(`${base}/me`, headers)).body).toEqual({ name: username });
      await server.post("/logout", {}, { Authorization: `Bearer ${access_token}` });
      took.push(await eventually(async () => (await ask(`${base}/me`, headers)).status === 401));
      expect((await ask(`${base}/me`, headers)).body.code).toBe("token_revoked");
    }
    took.sort((a, b) => a - b);
    console.log(`logout answered to ${kind} refusing, 10 times: median ${took[5]!.toFixed(1)} ms, longest ${took[9]!.toFixed(1)} ms`);
    expect(took[5]).toBeLessThan(100);
  });

  test("new roles are told from a login that is over, and the client goes on", async () => {
    const username = someone();
    server.addUser(username);
    const browser = new Browser(server.url);
    const client = browser.tab({ mode: "token", origins: [base] });
    await client.login({ username, password: PASSWORD });
    expect((await client.fetch(`${base}/admin`)).status).toBe(403);
    server.cli("user", "roles", username, "--add", "admin");
    await eventually(async () => (await client.fetch(`${base}/admin`)).status === 200);
    expect(browser.count("/refresh")).toBe(1);
    await eventually(() => client.user!.roles.includes("admin"));
    browser.close();
  });
});

describe("around the follower", () => {
  test("a logout waits for those who follow", async () => {
    server.addUser("frank");
    const { access_token } = await server.login("frank");
    const answer = await server.post("/logout", {}, { Authorization: `Bearer ${access_token}`, Prefer: "wait=5" });
    expect(answer.propagated).toBe(true);
    await expect(verifier.verify(access_token)).rejects.toMatchObject({ code: "token_revoked" });
  });

  test("a revoked key, a server that is gone, a client that waits for it", async () => {
    const server = await Server.start();
    server.addUser("gina");
    const verifier = createVerifier({ issuer: server.url, policy: "strict", log: () => {} });
    const [base, stop] = await programs.express(verifier);
    const browser = new Browser(server.url);
    try {
      // Not ready yet is no reason to throw a login away.
      const client = browser.tab({ mode: "token", origins: [base] });
      await client.login({ username: "gina", password: PASSWORD });
      await verifier.ready;
      expect((await client.fetch(`${base}/me`)).status).toBe(200);
      const first = (await client.ticket(base))!.headers["Authorization"]!;
      const [key] = JSON.parse(server.cli("key", "list", "--json")).keys ?? JSON.parse(server.cli("key", "list", "--json"));
      server.cli("key", "revoke", key.kid);
      await eventually(async () => (await ask(`${base}/me`, [["Authorization", first]])).status === 401);
      expect((await ask(`${base}/me`, [["Authorization", first]])).body.code).toBe("token_signature_invalid");
      // Another key signs at once, and a refresh brings it.
      expect((await client.fetch(`${base}/me`)).status).toBe(200);

      const now = (await client.ticket(base))!.headers["Authorization"]!;
      await server.kill();
      const killed = performance.now();
      expect((await ask(`${base}/me`, [["Authorization", now]])).status).toBe(200);
      await eventually(async () => (await ask(`${base}/me`, [["Authorization", now]])).status !== 200);
      expect(performance.now() - killed).toBeGreaterThan(1500);
      expect(performance.now() - killed).toBeLessThan(4000);
      const stale = await ask(`${base}/me`, [["Authorization", now]]);
      expect([stale.status, stale.body.code, stale.headers["retry-after"]]).toEqual([503, "unavailable", "1"]);

      const waiting = client.fetch(`${base}/me`);
      await server.restart();
      expect((await waiting).status).toBe(200);
      expect(client.user).not.toBeNull();
    } finally {
      browser.close();
      verifier.close();
      stop();
      await server.stop();
    }
  });

  test("a shared secret is enough", async () => {
    const secret = "correct-gravel-lantern-9173-umbrella";
    const server = await Server.start({ JWT_SECRET_KEY: secret });
    const [right, without] = [createVerifier({ issuer: server.url, secret }), createVerifier({ issuer: server.url })];
    try {
      server.addUser("hana");
      await Promise.all([right.ready, without.ready]);
      const { access_token } = await server.login("hana");
      expect((await right.verify(access_token)).username).toBe("hana");
      await expect(without.verify(access_token)).rejects.toMatchObject({ code: "token_signature_invalid" });
      await server.post("/logout", {}, { Authorization: `Bearer ${access_token}` });
      await eventually(() => right.verify(access_token).then(() => false, ({ code }) => code === "token_revoked"));
    } finally {
      right.close();
      without.close();
      await server.stop();
    }
  });

  test.each(["EdDSA", "RS256"])("an issuer that signs with %s", async (algorithm) => {
    const server = await Server.start({ COUNTERSIGN_TOKEN__ALGORITHM: algorithm });
    const verifier = createVerifier({ issuer: server.url });
    try {
      server.addUser("iris");
      await verifier.ready;
      expect((await verifier.verify((await server.login("iris")).access_token)).username).toBe("iris");
    } finally {
      verifier.close();
      await server.stop();
    }
  });

  test("a service shows its credentials where they are asked for", async () => {
    const server = await Server.start({ COUNTERSIGN_REVOCATION__REQUIRE_AUTH: "always" });
    const told = JSON.parse(server.cli("client", "add", "reports", "--kind", "service", "--json"));
    const known = createVerifier({ issuer: server.url, credentials: { id: told.id, secret: told.secret } });
    const heard: string[] = [];
    const stranger = createVerifier({ issuer: server.url, log: (message) => heard.push(message) });
    try {
      await known.ready;
      await eventually(() => heard.length > 0);
      expect(heard.join()).toContain("401");
      expect(stranger.status().fresh).toBe(false);
    } finally {
      known.close();
      stranger.close();
      await server.stop();
    }
  });
});
