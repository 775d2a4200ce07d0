import { describe, expect, test, vi } from "vitest";

import { Browser, Shelf, View } from "./support/browser.js";
import { eventually, PASSWORD, Server, someone } from "./support/server.js";
import { browseAt, browser, eachWithABrowser, server } from "./support/site.js";

eachWithABrowser();

function account(): { username: string; password: string } {
  const username = someone();
  server.addUser(username);
  return { username, password: PASSWORD };
}

const later = (seconds: number) => vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + seconds * 1000 });

describe.each([
  ["cookie mode", { mode: "cookie" }],
  ["token mode with localStorage", { mode: "token", storage: "localStorage" }],
] as const)("ten tabs in %s", (_, options) => {
  const ten = (without = {}) => Array.from({ length: 10 }, () => browser.tab(options, without));

  test.each([
    ["with Web Locks", {}],
    ["without", { locks: undefined }],
  ])("%s: refresh once where all of them come late", async (_, without) => {
    const tabs = ten(without);
    await tabs[0]!.login(account());
    await Promise.all(tabs.map((tab) => tab.ready));
    later(3600);
    await Promise.all(tabs.map((tab) => tab.profile()));
    expect(browser.count("/refresh")).toBe(1);
  });

  test("whose storage shows in the others a moment later do the same, and know who is signed in", async () => {
    const views = new Set<View>();
    const tabs = Array.from({ length: 10 }, () => browser.tab(options, { localStorage: new View(browser.localStorage, views) }));
    await Promise.all(tabs.map((tab) => tab.ready));
    const heard: unknown[] = [];
    for (const tab of tabs) tab.subscribe((user) => heard.push(user?.id));
    const { id } = await tabs[0]!.login(account());
    await eventually(() => tabs.every((tab) => tab.user?.id === id));
    for (const asker of [2, 5]) {
      await new Promise((resolve) => setTimeout(resolve, 2 * View.LATE));
      later(3600);
      browser.sent.length = 0;
      const order = [tabs[asker]!, ...tabs];
      expect(new Set((await Promise.all(order.map((tab) => tab.profile()))).map((user) => user.id))).toEqual(new Set([id]));
      expect(browser.count("/refresh")).toBe(1);
    }
    browser.sent.length = 0;
    await tabs[7]!.logout();
    await eventually(() => tabs.every((tab) => tab.user === null));
    expect(browser.sent.map(({ path }) => path)).toEqual(["/logout"]);
    expect(heard).toEqual([...Array(10).fill(id), ...Array(10).fill(undefined)]);
  });

  test("that were never told when it expires refresh once upon their 401", async () => {
    const brief = await Server.start({ COUNTERSIGN_TOKEN__LIFETIME: "4s" });
    try {
      brief.addUser("ada");
      browseAt(brief.url);
      const tabs = ten();
      await tabs[0]!.login({ username: "ada", password: PASSWORD });
      later(-3600);
      // The clocks of the tabs are slow, so that only the server knows.
      if (options.mode === "cookie") browser.localStorage.items.clear();
      else browser.localStorage.setItem("jwt", browser.localStorage.getItem("jwt")!.replace(/"due":\d+/, '"due":9e15'));
      await new Promise((resolve) => setTimeout(resolve, 4100));
      const users = await Promise.all(tabs.map((tab) => tab.profile()));
      expect(new Set(users.map(({ username }) => username))).toEqual(new Set(["ada"]));
      expect(browser.sent.filter(({ status }) => status === 401).length).toBe(10);
      expect(browser.count("/refresh")).toBe(1);
    } finally {
      browser.close();
      await brief.stop();
    }
  });

  test("hear of a login, and of a logout", async () => {
    const tabs = ten();
    await Promise.all(tabs.map((tab) => tab.ready));
    expect(tabs.map(({ user }) => user)).toEqual(Array(10).fill(null));
    const user = await tabs[3]!.login(account());
    await eventually(() => tabs.every((tab) => tab.user?.id === user.id));
    await tabs[7]!.logout();
    await eventually(() => tabs.every((tab) => tab.user === null));
    expect(browser.count("/logout")).toBe(1);
  });

  test("hear of a login that was ended elsewhere from the first that finds out", async () => {
    const tabs = ten();
    const user = await tabs[0]!.login(account());
    await eventually(() => tabs.every((tab) => tab.user?.id === user.id));
    server.cli("session", "revoke", "--user", user.username!);
    await eventually(async () => (await tabs[0]!.fetch(`${server.url}/profile`)).status === 401);
    await eventually(() => tabs.every((tab) => tab.user === null));
    expect(browser.count("/refresh")).toBe(1);
  });

  test("a refresh that another tab's login overtakes does not sign it out", async () => {
    const [one, two] = ten();
    await one!.login(account());
    later(3600);
    const other = account();
    const [, user] = await Promise.all([one!.profile(), two!.login(other)]);
    expect(user.username).toBe(other.username);
    expect((await one!.profile()).username).toBe(other.username);
    expect((await two!.profile()).username).toBe(other.username);
    await eventually(() => one!.user?.username === other.username);
  });
});

test("session mode hears of logins and logouts, too", async () => {
  const [one, two] = [browser.tab({ mode: "session" }), browser.tab({ mode: "session" })];
  await Promise.all([one.ready, two.ready]);
  const user = await one.login(account());
  await eventually(() => two.user?.id === user.id);
  await two.logout();
  await eventually(() => one.user === null);
});

describe("in token mode with memory each tab holds its own login", () => {
  test("a login is no other tab's, and a logout is only the same person's", async () => {
    const [person, other] = [account(), account()];
    const [one, two, three, four] = Array.from({ length: 4 }, () => browser.tab({ mode: "token" }));
    await Promise.all([one!.login(person), two!.login(person), three!.login(other)]);
    expect(await four!.ready).toBeNull();
    expect((await one!.sessions()).length).toBe(2);
    await one!.logout();
    await eventually(() => two!.user === null);
    // And its session has ended on the server, not in this tab alone.
    await eventually(() => browser.sent.filter(({ path, status }) => path === "/logout" && status === 200).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(browser.count("/logout")).toBe(2);
    expect((await three!.profile()).username).toBe(other.username);
  });
});

test("a duplicated tab, which has a copy of sessionStorage, keeps up with the tokens of the first", async () => {
  const strict = await Server.start({ COUNTERSIGN_SESSION__REFRESH_GRACE: "0s" });
  try {
    strict.addUser("ada");
    browseAt(strict.url);
    const options = { mode: "token", storage: "sessionStorage" } as const;
    const [original, copied] = [new Shelf(), new Shelf()];
    const first = browser.tab(options, { sessionStorage: original });
    await first.login({ username: "ada", password: PASSWORD });
    // What a browser does upon "duplicate tab".
    for (const [key, value] of original.items) copied.setItem(key, value);
    const second = browser.tab(options, { sessionStorage: copied });
    expect((await second.ready)!.username).toBe("ada");
    for (const tab of [first, second, first]) {
      later(3600);
      expect((await tab.profile()).username).toBe("ada");
      await eventually(() => original.getItem("jwt") === copied.getItem("jwt"));
    }
    expect(browser.count("/refresh")).toBe(3);
    await second.logout();
    await eventually(() => first.user === null);
  } finally {
    browser.close();
    await strict.stop();
  }
});

test.each(["/profile", "/refresh"])("whoever is refused at %s while another tab signs in is not repeated as that one, and signs nobody out", async (path) => {
  const [old, fresh] = [account(), account()];
  const options = { mode: "token", storage: "localStorage" } as const;
  const other = new Browser(server.url);
  await other.tab(options).login(fresh);
  const client = browser.tab(options, {
    fetch: async (...args) => {
      const answer = await browser.fetch(...args);
      if (answer.status === 401 && answer.url.endsWith(path)) browser.localStorage.setItem("jwt", other.localStorage.getItem("jwt")!);
      return answer;
    },
  });
  await client.login(old);
  const headers = (await client.ticket(server.url))!.headers;
  server.cli("session", "revoke", "--user", old.username);
  await eventually(async () => (await fetch(`${server.url}/profile`, { headers })).status === 401);
  const answer = await client.fetch(`${server.url}/profile`);
  expect(answer.status).toBe(401);
  expect((await client.profile()).username).toBe(fresh.username);
  other.close();
});

test("pages without https: locks by a mark, which a closed tab does not keep for ever", async () => {
  const client = browser.tab({}, { locks: undefined });
  const key = `countersign ${server.url} lock`;
  browser.localStorage.setItem(key, `gone ${Date.now() + 300}`);
  const began = performance.now();
  await client.login(account());
  expect(performance.now() - began).toBeGreaterThan(250);
  expect(browser.localStorage.getItem(key)).toBeNull();
});

test("without BroadcastChannel tabs hear by what happens to storage", async () => {
  const heard = new Map<string, Set<(event: unknown) => void>>();
  vi.stubGlobal("addEventListener", (type: string, listener: () => void) => heard.set(type, (heard.get(type) ?? new Set()).add(listener)));
  vi.stubGlobal("removeEventListener", (type: string, listener: () => void) => heard.get(type)?.delete(listener));
  const { setItem } = browser.localStorage;
  browser.localStorage.setItem = (key, newValue) => {
    setItem(key, newValue);
    for (const listener of heard.get("storage") ?? []) setTimeout(() => listener({ key, newValue }));
  };
  try {
    const [one, two] = [browser.tab({}, { BroadcastChannel: undefined }), browser.tab({}, { BroadcastChannel: undefined })];
    await Promise.all([one.ready, two.ready]);
    const user = await one.login(account());
    await eventually(() => two.user?.id === user.id);
    await two.logout();
    await eventually(() => one.user === null);
    browser.close();
    expect(heard.get("storage")!.size).toBe(0);
    expect([...browser.localStorage.items.keys()]).toEqual([]);
  } finally {
    vi.unstubAllGlobals();
  }
});
