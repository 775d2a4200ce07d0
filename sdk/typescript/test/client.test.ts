import { createServer, type IncomingMessage, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";

import { describe, expect, test, vi } from "vitest";

import { CountersignError, createClient } from "../src/index.js";
import { Browser, Shelf } from "./support/browser.js";
import { Proxy } from "./support/proxy.js";
import { eventually, PASSWORD, Server, someone } from "./support/server.js";
import { browser, eachWithABrowser, server } from "./support/site.js";

eachWithABrowser({ COUNTERSIGN_LIMITS__LOGIN_FAILURES: "3" });

const refusal = (promise: Promise<unknown>): Promise<CountersignError> =>
  promise.then(
    () => Promise.reject(new Error("it was not refused")),
    (why) => {
      expect(why).toBeInstanceOf(CountersignError);
      return why;
    },
  );

/** An account, in words as they would be typed. */
async function account(): Promise<{ username: string; password: string }> {
  const username = someone();
  server.addUser(username);
  return { username, password: PASSWORD };
}

/** The client's clock goes on; the server's does not. */
const later = (seconds: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1000 });

/** A service that answers by a function and remembers what it was asked. */
async function service(answer: (request: IncomingMessage, body: string) => [number, Record<string, string>?, string?]) {
  const asked: { headers: IncomingMessage["headers"]; body: string }[] = [];
  const http: HttpServer = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      asked.push({ headers: request.headers, body });
      const [status, headers, text] = answer(request, body);
      response.writeHead(status, headers).end(text);
    });
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { url, asked, [Symbol.asyncDispose]: async () => (http.closeAllConnections(), void http.close()) };
}

describe.each(["cookie", "token", "session"] as const)("in %s mode", (mode) => {
  test("a wrong password and an unknown name are refused alike, and nobody is signed in", async () => {
    const client = browser.tab({ mode });
    const known = await account();
    for (const username of [known.username, "nobody"]) {
      const why = await refusal(client.login({ username, password: "wrong-wrong-41" }));
      expect([why.status, why.code]).toEqual([401, "invalid_credentials"]);
    }
    expect(await client.ready).toBeNull();
    // A typed password says nothing about the login: nothing was refreshed for it.
    expect(browser.count("/refresh")).toBe(0);
  });

  test("the fields of a refused account say what is wrong", async () => {
    const client = browser.tab({ mode });
    const why = await refusal(client.register({ username: "no spaces", email: "nowhere", password: "short" }));
    expect([why.status, why.code]).toEqual([400, "invalid_request"]);
    expect(Object.keys(why.fields!).sort()).toEqual(["email", "password", "username"]);
    const { username } = await account();
    expect((await refusal(client.register({ username, password: PASSWORD }))).code).toBe("username_taken");
  });

  test("too many attempts are told with the time to wait, and nothing waits", async () => {
    const client = browser.tab({ mode });
    const { username } = await account();
    const wrong = { username, password: "wrong-wrong-41" };
    for (let n = 0; n < 3; n++) await refusal(client.login(wrong));
    const why = await refusal(client.login(wrong));
    expect([why.status, why.code]).toEqual([429, "too_many_attempts"]);
    expect(why.retryAfter).toBeGreaterThan(60);
  });

  test("a stranger is known as one, after one question", async () => {
    const client = browser.tab({ mode });
    expect(client.user).toBeUndefined();
    expect(await client.ready).toBeNull();
    expect(browser.sent.map(({ path }) => path)).toEqual(mode === "token" ? [] : ["/profile"]);
  });

  test("sign up, sign in, look around, change things, sign out", async () => {
    const client = browser.tab({ mode });
    const heard: unknown[] = [];
    client.subscribe((user) => heard.push(user && user.username));
    await client.ready;
    const username = someone();
    const made = await client.register({ username, email: `${username}@example.com`, password: PASSWORD });
    expect(client.user).toBeNull();
    const user = await client.login({ username, password: PASSWORD });
    expect(user).toEqual(made);
    expect(client.user).toEqual(user);
    expect(await client.profile()).toEqual(user);
    const sessions = await client.sessions();
    expect(sessions.map(({ current }) => current)).toEqual([true]);

    const renamed = await client.updateProfile({ username: `${username}x`, current_password: PASSWORD });
    expect(client.user).toBe(renamed);
    expect((await client.profile()).username).toBe(`${username}x`);
    browser.sent.length = 0;
    expect((await refusal(client.changePassword({ current_password: "wrong-wrong-41", new_password: "amber-lantern-77" }))).code).toBe(
      "invalid_credentials",
    );
    expect((await refusal(client.updateProfile({ username, current_password: "wrong-wrong-41" }))).code).toBe("invalid_credentials");
    // Neither was refreshed upon and tried again: a second try would count against the limit.
    expect(browser.sent.map(({ method, path }) => `${method} ${path}`)).toEqual(["POST /password", "PATCH /profile"]);
    await client.changePassword({ current_password: PASSWORD, new_password: "amber-lantern-77" });
    expect((await client.profile()).username).toBe(`${username}x`);

    await client.logout();
    expect(client.user).toBeNull();
    expect((await refusal(client.profile())).status).toBe(401);
    expect(heard).toEqual([null, username, `${username}x`, null]);
  });

  test("a device can be ended from another one, and all from any", async () => {
    const person = await account();
    const other = new Browser(server.url);
    const [here, there] = [browser.tab({ mode }), other.tab({ mode })];
    await here.login(person);
    await there.login(person);
    const session = (await here.sessions()).find(({ current }) => !current)!;
    await here.endSession(session.id);
    expect((await refusal(there.profile())).status).toBe(401);
    expect(there.user).toBeNull();
    await there.login(person);
    await here.logout({ all: true });
    expect((await there.fetch(`${server.url}/profile`)).status).toBe(401);
    expect(there.user).toBeNull();
    other.close();
  });

  test("a deleted account is gone", async () => {
    const person = await account();
    const client = browser.tab({ mode });
    await client.login(person);
    expect((await refusal(client.deleteAccount({ password: "wrong-wrong-41" }))).code).toBe("invalid_credentials");
    expect(client.user).not.toBeNull();
    await client.deleteAccount({ password: PASSWORD });
    expect(client.user).toBeNull();
    expect((await refusal(client.login(person))).code).toBe("invalid_credentials");
  });

  test("whoever is not allowed stays signed in", async () => {
    const client = browser.tab({ mode });
    await client.login(await account());
    expect((await client.fetch(`${server.url}/admin/users`)).status).toBe(403);
    expect(client.user).not.toBeNull();
    expect(browser.count("/refresh")).toBe(0);
  });

  test("who is offline stays signed in, and is told so", async () => {
    const proxy = await Proxy.to(server.url);
    const offline = new Browser(proxy.url);
    const client = offline.tab({ mode });
    await client.login(await account());
    proxy.close();
    for (const ask of [() => client.profile(), () => client.logout(), () => client.logout({ all: true })]) {
      const why = await refusal(ask());
      expect([why.status, why.code]).toEqual([0, "unreachable"]);
    }
    later(3600);
    await expect(client.fetch(`${proxy.url}/profile`)).rejects.toThrow();
    expect(client.user).not.toBeNull();
    offline.close();
  });

  test.each([
    ["a request of a stranger", false, false],
    ["a request of somebody else", false, true],
    ["the first look at a stranger", true, false],
    ["the first look at somebody else", true, true],
  ])("the answer to %s, made before a login, says nothing after it", async (_, look, somebody) => {
    const [first, second] = [await account(), await account()];
    const options = { mode, storage: "localStorage" } as const;
    if (somebody) await browser.tab(options).login(first);
    let release = () => {};
    let hold: Promise<void> | undefined = new Promise((resolve) => (release = resolve));
    const client = browser.tab({
      ...options,
      platform: {
        fetch: async (...args) => {
          const held = hold;
          hold = undefined;
          const answer = await browser.fetch(...args);
          await held;
          return answer;
        },
      },
    });
    const asked = look ? client.ready : client.fetch(`${server.url}/profile`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // A stranger without tokens is known without a question.
    hold = undefined;
    const user = await client.login(second);
    release();
    await asked;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(client.user).toEqual(user);
    expect((await client.profile()).username).toBe(second.username);
  });

  test("the first state is asked for until there is an answer", async () => {
    const client = browser.tab({ mode, storage: "localStorage" });
    await client.login(await account());
    let fails = 1;
    const again = browser.tab({
      mode,
      storage: "localStorage",
      platform: { fetch: (...args) => (fails-- > 0 ? Promise.reject(new TypeError("offline")) : browser.fetch(...args)) },
    });
    expect((await again.ready)!.username).toBe(client.user!.username);
    expect(fails).toBeLessThan(0);
  });
});

describe.each(["cookie", "token"] as const)("refresh in %s mode", (mode) => {
  test("comes before the login expires, once for many requests at a time", async () => {
    const client = browser.tab({ mode });
    await client.login(await account());
    later(14 * 60);
    await Promise.all(Array.from({ length: 10 }, () => client.profile()));
    expect(browser.count("/refresh")).toBe(0);
    later(55);
    await Promise.all(Array.from({ length: 10 }, () => client.profile()));
    expect(browser.count("/refresh")).toBe(1);
    expect(browser.sent.every(({ status }) => status !== 401)).toBe(true);
  });

  test("comes upon a 401, and the request is repeated with its body", async () => {
    const brief = await Server.start({ COUNTERSIGN_TOKEN__LIFETIME: "4s" });
    try {
      brief.addUser("ada");
      const browser = new Browser(brief.url);
      const client = browser.tab({ mode });
      await client.login({ username: "ada", password: PASSWORD });
      await new Promise((resolve) => setTimeout(resolve, 4100));
      // This clock is slow: it does not see what has expired.
      later(-3600);
      browser.sent.length = 0;
      const renamed = await client.updateProfile({ username: "lovelace", current_password: PASSWORD });
      expect([renamed.username, client.user!.username]).toEqual(["lovelace", "lovelace"]);
      expect(browser.sent.map(({ path, status }) => `${status} ${path}`)).toEqual(["401 /profile", "200 /refresh", "200 /profile"]);
      browser.close();
    } finally {
      await brief.stop();
    }
  });

  test("brings new roles, and tells of them", async () => {
    const client = browser.tab({ mode });
    const person = await account();
    await client.login(person);
    const heard: string[][] = [];
    client.subscribe((user) => heard.push(user!.roles));
    server.cli("user", "roles", person.username, "--add", "admin");
    await eventually(async () => (await client.fetch(`${server.url}/admin/users`)).status === 200);
    await eventually(async () => (await client.fetch(`${server.url}/protected`)).ok && browser.count("/refresh") === 1);
    await eventually(() => heard.length > 0);
    expect([heard, client.user!.roles]).toEqual([[["admin"]], ["admin"]]);
  });

  test("a stolen refresh token ends the login, and everybody is told", async () => {
    const strict = await Server.start({ COUNTERSIGN_SESSION__REFRESH_GRACE: "0s" });
    try {
      strict.addUser("ada");
      const browser = new Browser(strict.url);
      const client = browser.tab({ mode, storage: "localStorage" });
      await client.login({ username: "ada", password: PASSWORD });
      const stolen = mode === "cookie" ? browser.cookies.get("__Host-refresh") : JSON.parse(browser.localStorage.getItem("jwt")!).refresh_token;
      await strict.post("/refresh", { refresh_token: stolen });
      later(3600);
      const answer = await client.fetch(`${strict.url}/profile`);
      expect([answer.status, client.user]).toEqual([401, null]);
      expect(browser.sent.filter(({ path }) => path === "/refresh").map(({ status }) => status)).toEqual([401]);
      browser.close();
    } finally {
      await strict.stop();
    }
  });

  test("an answer that was lost is asked for again at once, with the same token", async () => {
    const proxy = await Proxy.to(server.url);
    const browser = new Browser(proxy.url);
    const client = browser.tab({ mode });
    await client.login(await account());
    proxy.lose = 1;
    later(3600);
    expect((await client.profile()).id).toBe(client.user!.id);
    expect([proxy.lost, browser.count("/refresh")]).toEqual([1, 2]);
    // Two in a row: it cannot be known, so the login is kept, and the next request finds it.
    proxy.lose = 2;
    later(3600);
    await client.profile();
    expect(proxy.lost).toBe(3);
    proxy.close();
    browser.close();
  });

  test("a busy server is waited for, within bounds", async () => {
    const client = browser.tab({ mode });
    await client.login(await account());
    let busy = 2;
    await using api = await service(({ headers }) => {
      if (headers["x-never"]) return [503, { "Retry-After": "60" }];
      if (headers["x-silent"]) return [503];
      return busy-- > 0 ? [503, { "Retry-After": "0" }] : [200];
    });
    const near = browser.tab({ mode, origins: [api.url] });
    expect((await near.fetch(`${api.url}/`)).status).toBe(200);
    expect(api.asked.length).toBe(3);
    // Too long, or not told for how long: an answer like any other.
    expect((await near.fetch(`${api.url}/`, { headers: { "X-Never": "1" } })).status).toBe(503);
    expect((await near.fetch(`${api.url}/`, { headers: { "X-Silent": "1" } })).status).toBe(503);
    expect(api.asked.length).toBe(5);
  });
});

describe("whom the token is shown to", () => {
  test("nobody but the allowed, not even through a redirect", async () => {
    await using foreign = await service(() => [200]);
    await using friend = await service(({ url }) => (url === "/away" ? [307, { Location: `${foreign.url}/landed` }] : [200]));
    const client = browser.tab({ mode: "token", origins: [friend.url] });
    await client.login(await account());
    await client.fetch(`${foreign.url}/`);
    await client.fetch(new Request(`${foreign.url}/`));
    await client.fetch(new URL(`${friend.url}/`));
    const landed = await client.fetch(`${friend.url}/away`, { method: "POST", body: "x" });
    expect([landed.status, landed.url]).toEqual([200, `${foreign.url}/landed`]);
    const shown = (asked: typeof friend.asked) => asked.map(({ headers }) => "authorization" in headers);
    expect(shown(foreign.asked)).toEqual([false, false, false]);
    expect(shown(friend.asked)).toEqual([true, true]);
    expect(await client.ticket(foreign.url)).toBeUndefined();
    expect(Object.keys((await client.ticket(friend.url))!.headers)).toEqual(["Authorization"]);
  });

  test("a header of the program's own is left alone, and its 401 is none of ours", async () => {
    await using friend = await service(() => [401]);
    const client = browser.tab({ mode: "token", origins: [friend.url] });
    await client.login(await account());
    const answer = await client.fetch(friend.url, { headers: { Authorization: "Basic abc" } });
    expect([answer.status, friend.asked[0]!.headers.authorization, browser.count("/refresh")]).toEqual([401, "Basic abc", 0]);
  });

  test("a service that refuses even a fresh token gets one refresh, and nobody is signed out", async () => {
    await using stubborn = await service(() => [401, {}, "no"]);
    const client = browser.tab({ mode: "token", origins: [stubborn.url] });
    await client.login(await account());
    expect((await client.fetch(stubborn.url)).status).toBe(401);
    expect([stubborn.asked.length, browser.count("/refresh")]).toEqual([2, 1]);
    expect(new Set(stubborn.asked.map(({ headers }) => headers.authorization)).size).toBe(2);
    expect(client.user).not.toBeNull();
  });

  test("what cannot be sent twice is not: a stream, of which the 401 comes back", async () => {
    await using picky = await service((_, body) => (picky.asked.length > 1 ? [200, {}, body] : [401]));
    const client = browser.tab({ mode: "token", origins: [picky.url] });
    await client.login(await account());
    const stream = () => ({ method: "POST", body: new Blob(["in one go"]).stream(), duplex: "half" }) as RequestInit;
    expect((await client.fetch(picky.url, stream())).status).toBe(401);
    expect(picky.asked.length).toBe(1);
    expect(await (await client.fetch(picky.url, stream())).text()).toBe("in one go");
    expect(browser.count("/refresh")).toBe(1);
  });

  test("a stream does not wait for a busy server either", async () => {
    await using busy = await service(() => [503, { "Retry-After": "0" }]);
    const client = browser.tab({ mode: "token", origins: [busy.url] });
    const answer = await client.fetch(busy.url, { method: "POST", body: new Blob(["x"]).stream(), duplex: "half" } as RequestInit);
    expect([answer.status, busy.asked.length]).toEqual([503, 1]);
  });

  test.each([
    ["a string", () => ({ body: "twice" })],
    ["a form", () => ({ body: new URLSearchParams({ a: "twice" }) })],
    ["a blob", () => ({ body: new Blob(["twice"]) })],
  ])("%s is sent again", async (_, init) => {
    await using once = await service(() => (once.asked.length > 1 ? [200] : [401]));
    const client = browser.tab({ mode: "token", origins: [once.url] });
    await client.login(await account());
    expect((await client.fetch(once.url, { method: "POST", ...init() })).status).toBe(200);
    expect(once.asked.map(({ body }) => body.includes("twice"))).toEqual([true, true]);
  });

  test("a wait for a busy server ends with the request's own signal", async () => {
    await using busy = await service(() => [503, { "Retry-After": "20" }]);
    const client = browser.tab({ mode: "token", origins: [busy.url] });
    const control = new AbortController();
    const asked = client.fetch(busy.url, { signal: control.signal });
    await eventually(() => busy.asked.length === 1);
    setTimeout(() => control.abort(new Error("enough")), 50);
    await expect(asked).rejects.toThrow("enough");
  });
});

describe("where tokens are kept", () => {
  test("memory forgets, sessionStorage and localStorage do not", async () => {
    const person = await account();
    const session = new Shelf();
    for (const [storage, kept] of [["memory", false], ["sessionStorage", true], ["localStorage", true]] as const) {
      const options = { mode: "token", storage, platform: { sessionStorage: session } } as const;
      const first = browser.tab(options);
      await first.login(person);
      first.close();
      const reloaded = browser.tab(options);
      expect([storage, (await reloaded.ready) !== null]).toEqual([storage, kept]);
    }
    expect([...browser.localStorage.items.keys()]).toEqual(["jwt"]);
    expect([...session.items.keys()]).toEqual(["jwt"]);
  });

  test("in cookie mode nothing that is kept is a secret", async () => {
    const client = browser.tab();
    await client.login(await account());
    const kept = [...browser.localStorage.items.values()].map((text) => JSON.parse(text));
    expect(kept.map((record) => Object.keys(record).sort())).toEqual([["due", "version"]]);
  });

  test.each(["cookie", "token"] as const)("storage that the visitor has forbidden is done without, in %s mode", async (mode) => {
    const forbidden = () => {
      throw new DOMException("denied", "SecurityError");
    };
    const localStorage = { getItem: forbidden, setItem: forbidden, removeItem: forbidden };
    const client = browser.tab({ mode, storage: "localStorage", platform: { localStorage } });
    await client.login(await account());
    later(3600);
    expect((await client.profile()).id).toBe(client.user!.id);
    await client.logout();
    expect(client.user).toBeNull();
  });

  test("a kept text that is none of ours counts as nothing", async () => {
    for (const text of ["not json", "7", '"x"', "[]", "null", "{}"]) {
      browser.localStorage.setItem("jwt", text);
      expect(await browser.tab({ mode: "token", storage: "localStorage" }).ready).toBeNull();
    }
  });
});

test("a login waits while the server hashes too many others, or says so where it must not wait", async () => {
  const slow = await Server.start({
    COUNTERSIGN_LIMITS__HASHING_QUEUE: "4",
    COUNTERSIGN_LIMITS__LOGIN_FAILURES: "1000",
    COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB: "19456",
    COUNTERSIGN_PASSWORD__ARGON2__ITERATIONS: "6",
  });
  slow.addUser("ada");
  const browser = new Browser(slow.url);
  try {
    const all = (patience: number) =>
      Promise.allSettled(Array.from({ length: 24 }, () => browser.tab({ mode: "token", patience }).login({ username: "ada", password: PASSWORD })));
    const refused = (await all(0)).flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ status, code, retryAfter }) => `${status} ${code} ${retryAfter > 0}`))).toEqual(new Set(["503 busy true"]));
    browser.sent.length = 0;
    expect((await all(60)).map(({ status }) => status)).toEqual(Array(24).fill("fulfilled"));
    expect(browser.sent.some(({ status }) => status === 503)).toBe(true);
  } finally {
    browser.close();
    await slow.stop();
  }
}, 60_000);

test("a path needs a page that it is on, and nothing is asked before it is used", () => {
  const client = createClient({ baseUrl: "/auth" });
  expect(client.user).toBeUndefined();
  client.close();
});
