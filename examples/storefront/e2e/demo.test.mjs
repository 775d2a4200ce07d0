// script/demo: what it prints is true, and nothing is left when it has gone.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmdirSync, rmSync, symlinkSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bins } from "./world.mjs";

const SCRIPT = fileURLToPath(new URL("../../../script/demo", import.meta.url));

const run = (args, env = {}) =>
  spawnSync(SCRIPT, args, { encoding: "utf8", env: { ...process.env, ...bins, ...env } });

test("the demo says what is wrong with how it was called, or missing", async (t) => {
  assert.match(run(["--help"]).stdout, /countersign\s+demo/);
  for (const args of [["--port"], ["--port", "0"], ["--port", "http"], ["--what"]]) {
    const { status, stderr } = run(args);
    assert.equal(status, 1, args.join(" "));
    assert.match(stderr, /^demo: /);
  }
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await new Promise((done) => server.once("listening", done));
  assert.match(run(["--port", String(server.address().port)]).stderr, /is taken/);

  // A machine with a shell and little else.
  const bare = mkdtempSync(join(tmpdir(), "demo-test-"));
  t.after(() => rmSync(bare, { recursive: true }));
  for (const tool of ["dirname", "realpath"]) symlinkSync(`/usr/bin/${tool}`, join(bare, tool));
  const { stderr } = spawnSync("/bin/bash", [SCRIPT], { encoding: "utf8", env: { PATH: bare } });
  assert.match(stderr, /please install Node.js 20.19 or newer/);
});

test("the demo is open with two accounts, and Ctrl-C leaves nothing", async (t) => {
  const temporary = mkdtempSync(join(tmpdir(), "demo-test-"));
  const child = spawn(SCRIPT, [], {
    env: { ...process.env, ...bins, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "inherit"],
    detached: true, // a process group of its own, as a terminal would give it
  });
  const ended = new Promise((done) => child.once("exit", (code) => done(code)));
  t.after(() => child.exitCode ?? process.kill(-child.pid, "SIGTERM"));
  let text = "";
  for await (const piece of child.stdout.setEncoding("utf8")) if ((text += piece).includes("Ctrl-C")) break;
  const shop = /open:\s+(http:\/\/localhost:\d+)\//.exec(text)[1];
  const issuer = /is at\s+(http:\/\/127\.0\.0\.1:\d+\/auth),/.exec(text)[1];
  const login = async (username, at) => {
    const password = new RegExp(`${username} +(\\S+)`).exec(text)[1];
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ username, password });
    const answer = await (await fetch(`${at}/login`, { method: "POST", headers, body })).json();
    return { headers: { Authorization: `Bearer ${answer.access_token}` } };
  };
  const ada = await login("ada", `${shop}/auth`);
  assert.deepEqual(await (await fetch(`${shop}/api/wishes`, ada)).json(), ["lantern", "olive"]);
  assert.equal((await fetch(`${shop}/api/stock`, ada)).status, 403);
  assert.equal((await fetch(`${shop}/api/stock`, await login("grace", issuer))).status, 200);
  const revoke = /^ +(\S+ session revoke .*)$/m.exec(text)[1].split(" ");
  assert.equal(spawnSync(revoke[0], revoke.slice(1), { env: { PATH: process.env.PATH } }).status, 0);
  for (const began = Date.now(); (await fetch(`${shop}/api/wishes`, ada)).status !== 401; ) {
    assert.ok(Date.now() - began < 2000);
  }

  process.kill(-child.pid, "SIGINT");
  assert.equal(await ended, 130);
  await assert.rejects(fetch(shop));
  await assert.rejects(fetch(issuer));
  // Nothing but the directory of this test.
  rmdirSync(temporary);
  assert.ok(!existsSync(temporary));
});
