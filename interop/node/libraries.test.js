// jose and jsonwebtoken check our tokens, by public key and by secret.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { createPublicKey } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";

import * as jose from "jose";
import jsonwebtoken from "jsonwebtoken";

const PROGRAM = process.env.COUNTERSIGN_BIN;
const PASSWORD = "plum-harbour-41";
const SECRET = "9f2c-shared-by-old-services-4471-b0e8-tests-only";

async function start(settings) {
  const cwd = mkdtempSync(join(tmpdir(), "countersign-interop-"));
  const env = { PATH: process.env.PATH, COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB: "8", ...settings };
  const stdio = ["ignore", "pipe", "ignore"];
  const child = spawn(PROGRAM, ["serve", "--listen", "127.0.0.1:0", "--json"], { cwd, env, stdio });
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  const { url, kid } = JSON.parse(value);
  const issuer = url.replace(/\/$/, "");
  const cli = (args, input = "") =>
    execFileSync(PROGRAM, args, { cwd, input, env: { ...env, COUNTERSIGN_SERVER__PUBLIC_URL: issuer } });
  cli(["user", "add", "--username", "ada", "--password-stdin"], PASSWORD);
  return {
    issuer,
    kid,
    cli,
    cwd,
    async token() {
      const body = JSON.stringify({ username: "ada", password: PASSWORD });
      const headers = { "Content-Type": "application/json" };
      return (await (await fetch(`${issuer}/login`, { method: "POST", headers, body })).json()).access_token;
    },
    async stop() {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGTERM");
      assert.equal(await ended, 0);
      rmSync(cwd, { recursive: true });
    },
  };
}

async function byJose(server, token, algorithm, secret) {
  const key = secret
    ? new TextEncoder().encode(secret)
    : jose.createRemoteJWKSet(new URL(`${server.issuer}/.well-known/jwks.json`));
  const expected = { issuer: server.issuer, audience: "countersign", algorithms: [algorithm], typ: "at+jwt" };
  return (await jose.jwtVerify(token, key, expected)).payload;
}

async function byJsonwebtoken(server, token, algorithm, secret) {
  const { kid } = jsonwebtoken.decode(token, { complete: true })?.header ?? {};
  const { keys } = await (await fetch(`${server.issuer}/.well-known/jwks.json`)).json();
  const jwk = keys.find((key) => key.kid === kid);
  if (!secret && !jwk) throw new jsonwebtoken.JsonWebTokenError("unknown kid");
  const key = secret ?? createPublicKey({ key: jwk, format: "jwk" });
  return jsonwebtoken.verify(token, key, {
    issuer: server.issuer,
    audience: "countersign",
    algorithms: [algorithm],
  });
}

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** The same token with other claims, without a signature, with another's. */
function forgeries(token) {
  const [head, body, signature] = token.split(".");
  const [header, claims] = [head, body].map((part) => JSON.parse(Buffer.from(part, "base64url")));
  return [
    [head, encode({ ...claims, roles: ["admin"] }), signature].join("."),
    [encode({ ...header, alg: "none" }), body, ""].join("."),
    [head, body, signature.slice(4) + signature.slice(0, 4)].join("."),
    jsonwebtoken.sign(claims, "another secret, which is long enough", { algorithm: "HS256", keyid: header.kid }),
  ];
}

const refuses = (check, ...args) =>
  assert.rejects(
    check(...args),
    (error) => error instanceof jose.errors.JOSEError || error instanceof jsonwebtoken.JsonWebTokenError,
  );

for (const [check, algorithms] of [
  [byJose, ["ES256", "EdDSA", "RS256", "HS256"]],
  // jsonwebtoken knows no EdDSA.
  [byJsonwebtoken, ["ES256", "RS256", "HS256"]],
]) {
  for (const algorithm of algorithms) {
    test(`${check.name}: ${algorithm}`, async () => {
      const shared = algorithm === "HS256";
      const server = await start(shared ? { JWT_SECRET_KEY: SECRET } : { COUNTERSIGN_TOKEN__ALGORITHM: algorithm });
      try {
        const secret = shared ? SECRET : undefined;
        const token = await server.token();
        for (const forged of forgeries(token)) await refuses(check, server, forged, algorithm, secret);
        assert.equal((await check(server, token, algorithm, secret)).username, "ada");
        if (shared) {
          await refuses(check, server, token, algorithm, [...SECRET].reverse().join(""));
        } else {
          server.cli(["key", "revoke", server.kid]);
          await refuses(check, server, token, algorithm);
          assert.equal((await check(server, await server.token(), algorithm)).username, "ada");
        }
      } finally {
        await server.stop();
      }
    });
  }
}

test("tokens of a jsonwebtoken program are accepted until an end", async () => {
  const accept = "COUNTERSIGN_TOKEN__ACCEPT_HS256__";
  const server = await start({
    [`${accept}SECRET`]: SECRET,
    [`${accept}UNTIL`]: new Date(Date.now() + 30 * 86_400_000).toISOString(),
    [`${accept}CLAIM`]: "userId",
  });
  try {
    writeFileSync(join(server.cwd, "people.jsonl"), JSON.stringify({ id: 17, email: "bea@example.com" }));
    server.cli(["import", "people.jsonl", "--without-password"]);
    const get = async (path, token) => {
      const answer = await fetch(server.issuer + path, { headers: { Authorization: `Bearer ${token}` } });
      return [answer.status, (await answer.json()).logged_in_as];
    };
    const sign = (claims, options) => jsonwebtoken.sign(claims, SECRET, options);
    for (const refused of [
      sign({ userId: 17 }),
      sign({ userId: 18 }, { expiresIn: "1h" }),
      sign({ userId: 17 }, { expiresIn: "1h", algorithm: "HS512" }),
      sign({ userId: 17 }, { expiresIn: "1h", keyid: "shared" }),
      sign({ userId: 17 }, { expiresIn: "1h", audience: "else" }),
      sign({ userId: 17 }, { expiresIn: "1h", notBefore: "10m" }),
      jsonwebtoken.sign({ userId: 17 }, [...SECRET].reverse().join(""), { expiresIn: "1h" }),
    ]) {
      assert.equal((await get("/protected", refused))[0], 401);
    }
    const token = sign({ userId: 17, role: "admin" }, { expiresIn: "1h" });
    assert.deepEqual(await get("/protected", token), [200, "bea@example.com"]);
    assert.equal((await get("/admin/users", token))[0], 401);
  } finally {
    await server.stop();
  }
});
