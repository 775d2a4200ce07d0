import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";

import axios from "axios";
import { beforeAll, expect, test, vi } from "vitest";

import { attach } from "../src/axios.js";
import { PASSWORD } from "./support/server.js";
import { browser, eachWithABrowser, server } from "./support/site.js";

eachWithABrowser();
beforeAll(() => server.addUser("ada"));

async function service(answer: (request: IncomingMessage) => [number, Record<string, string>?, string?]) {
  const asked: { headers: IncomingMessage["headers"]; body: string; url: string }[] = [];
  const http = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += chunk));
    request.on("end", () => {
      asked.push({ headers: request.headers, body, url: request.url! });
      const [status, headers, text] = answer(request);
      response.writeHead(status, headers).end(text);
    });
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  return { url, asked, [Symbol.asyncDispose]: async () => (http.closeAllConnections(), void http.close()) };
}

async function signedIn(origins: string[] = [], config: object = {}) {
  const client = browser.tab({ mode: "token", origins });
  await client.login({ username: "ada", password: PASSWORD });
  const instance = axios.create({ adapter: "http", proxy: false, ...config });
  attach(instance, client);
  return { client, instance };
}

const status = (promise: Promise<{ status: number }>): Promise<number> => promise.then(({ status }) => status, (why) => why.response.status);

test("the token goes to nobody but the allowed, not even through a redirect", async () => {
  await using foreign = await service(() => [200]);
  await using friend = await service(({ url }) => (url === "/away" ? [307, { Location: `${foreign.url}/` }] : [200]));
  const { instance } = await signedIn([friend.url]);
  await instance.get(foreign.url);
  await instance.post(`${friend.url}/away`, { some: "thing" });
  await instance.get("/relative", { baseURL: friend.url, params: { q: "x" } });
  await instance.get(friend.url, { headers: { Authorization: "Basic abc" } });
  expect(foreign.asked.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
  expect(friend.asked.map(({ url, headers }) => `${url} ${headers.authorization?.split(" ")[0]}`)).toEqual(["/away Bearer", "/relative?q=x Bearer", "/ Basic"]);
});

test("a subdomain, which axios itself would trust, is another origin", async () => {
  await using friend = await service(() => [200]);
  const { instance, client } = await signedIn([friend.url]);
  let config: any;
  instance.defaults.adapter = async (given) => ((config = given), { data: "", status: 200, statusText: "", headers: {}, config: given });
  const before = vi.fn();
  await instance.get(friend.url, { beforeRedirect: before });
  const there = { href: "http://sub.localhost/", headers: { authorization: "Bearer x", Authorization: "Bearer x" } };
  config.beforeRedirect(there, "rest");
  expect([there.headers, before.mock.calls.length]).toEqual([{}, 1]);
  const here = { href: `${friend.url}/next`, headers: { authorization: "Bearer x" } };
  config.beforeRedirect(here);
  expect(here.headers).toEqual({ authorization: "Bearer x" });
  expect(client.user).not.toBeNull();
});

test("refreshes before it expires", async () => {
  const { instance } = await signedIn();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 3_600_000 });
  expect(await Promise.all([1, 2, 3].map(() => status(instance.get(`${server.url}/profile`))))).toEqual([200, 200, 200]);
  expect(browser.count("/refresh")).toBe(1);
});

test.each(["json", "text", "arraybuffer"] as const)("refreshes once upon a 401 and repeats the request, with %s", async (responseType) => {
  await using api = await service(() => (api.asked.length > 1 ? [200, {}, "{}"] : [401, { "Content-Type": "application/json" }, '{"code":"token_expired"}']));
  const { instance } = await signedIn([api.url], { responseType });
  expect(await status(instance.post(api.url, { some: "thing" }))).toBe(200);
  expect(api.asked.map(({ body }) => body)).toEqual(['{"some":"thing"}', '{"some":"thing"}']);
  expect(new Set(api.asked.map(({ headers }) => headers.authorization)).size).toBe(2);
  expect(browser.count("/refresh")).toBe(1);
});

test("a 401 that stays is handed on, and one about a password is not refreshed upon", async () => {
  await using api = await service(({ url }) => [401, { "Content-Type": "application/json" }, url === "/password" ? '{"code":"invalid_credentials"}' : "{}"]);
  const { instance } = await signedIn([api.url]);
  expect(await status(instance.get(`${api.url}/password`))).toBe(401);
  expect([api.asked.length, browser.count("/refresh")]).toEqual([1, 0]);
  expect(await status(instance.get(api.url))).toBe(401);
  expect([api.asked.length, browser.count("/refresh")]).toEqual([3, 1]);
});

test("waits for a busy server, within bounds, and for nothing else", async () => {
  let busy = 2;
  await using api = await service(({ url }) => {
    if (url === "/never") return [503, { "Retry-After": "60" }];
    if (url === "/limit") return [429, { "Retry-After": "1" }];
    if (url === "/mine") return [403];
    return busy-- > 0 ? [503, { "Retry-After": "0" }] : [200];
  });
  const { instance, client } = await signedIn([api.url]);
  expect(await status(instance.get(api.url))).toBe(200);
  expect(api.asked.length).toBe(3);
  for (const [path, expected] of [["never", 503], ["limit", 429], ["mine", 403]] as const) expect(await status(instance.get(`${api.url}/${path}`))).toBe(expected);
  expect(api.asked.length).toBe(6);
  expect(client.user).not.toBeNull();
});

test("in cookie mode the cookies go along, and no header", async () => {
  const client = browser.tab();
  await client.login({ username: "ada", password: PASSWORD });
  const instance = axios.create();
  attach(instance, client);
  let config: any;
  instance.defaults.adapter = async (given) => ((config = given), { data: "", status: 200, statusText: "", headers: {}, config: given });
  await instance.get(`${server.url}/profile`);
  expect([config.withCredentials, config.headers.has("Authorization")]).toEqual([true, false]);
  await instance.get("https://elsewhere.example/");
  expect(config.withCredentials).toBeUndefined();
});
