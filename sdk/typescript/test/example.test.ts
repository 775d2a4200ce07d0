// examples/express, as it stands.

import { spawn, type ChildProcess } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";

import { afterAll, beforeAll, expect, test } from "vitest";

import { eventually, ROOT, Server } from "./support/server.js";

const SDK = resolve(import.meta.dirname, "..");
const home = mkdtempSync(join(tmpdir(), "countersign-example-"));
let server: Server;
let program: ChildProcess;
let api: string;

beforeAll(async () => {
  // What `npm install` would put there, without asking the registry.
  mkdirSync(join(home, "node_modules/@countersign"), { recursive: true });
  symlinkSync(SDK, join(home, "node_modules/@countersign/client"));
  symlinkSync(join(SDK, "node_modules/express"), join(home, "node_modules/express"));
  for (const name of ["app.js", "package.json"]) copyFileSync(join(ROOT, "examples/express", name), join(home, name));
  server = await Server.start();
  program = spawn(process.execPath, ["app.js"], { cwd: home, env: { ISSUER: server.url, PORT: "0" }, stdio: ["ignore", "pipe", "inherit"] });
  const { value } = await createInterface(program.stdout!)[Symbol.asyncIterator]().next();
  api = /http:[^ ]+[^/]/.exec(value)![0];
});
afterAll(async () => {
  program?.kill();
  if (program && program.exitCode === null) await once(program, "exit");
  await server?.stop();
  rmSync(home, { recursive: true, force: true });
});

const ask = async (method: string, token?: string, text?: string) => {
  const headers = { ...(token && { Authorization: `Bearer ${token}` }), "Content-Type": "application/json" };
  const response = await fetch(`${api}/notes`, { method, headers, body: text && JSON.stringify({ text }) });
  const body = await response.text();
  return [response.status, body && JSON.parse(body)];
};

test("strangers read the first page and nothing else; people have notes of their own, until they sign out", async () => {
  expect(await (await fetch(api)).json()).toEqual({ hello: "anybody" });
  expect(await ask("GET")).toEqual([401, { code: "token_missing", message: "Missing credentials" }]);
  server.addUser("ada");
  server.addUser("grace", "admin");
  const [ada, grace] = [(await server.login("ada")).access_token, (await server.login("grace")).access_token];
  expect(await ask("POST", ada, "milk")).toEqual([201, { notes: ["milk"] }]);
  expect(await ask("GET", grace)).toEqual([200, { notes: [] }]);
  expect((await ask("DELETE", ada))[0]).toBe(403);
  expect(await ask("GET", ada)).toEqual([200, { notes: ["milk"] }]);
  expect((await ask("DELETE", grace))[0]).toBe(204);
  expect(await ask("GET", ada)).toEqual([200, { notes: [] }]);
  await server.post("/logout", {}, { Authorization: `Bearer ${ada}` });
  await eventually(async () => (await ask("GET", ada))[1].code === "token_revoked");
});
