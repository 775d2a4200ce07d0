// The follower and the check against a scripted feed: what counts, when, and for how long.

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";

import { type Floor, readFloor, Floors, subject, subjects, type Scope } from "../src/server/floors.js";
import { createVerifier, followerOf, verifierOn, type Verifier, type VerifierOptions } from "../src/server/verifier.js";
import type { Follower } from "../src/server/follower.js";
import { Refused, Stale } from "../src/server.js";
import { answer, b64, CLAIMS, Feed, NOW, Signer } from "./support/feed.js";
import { eventually, ROOT } from "./support/server.js";

const signer = new Signer();
const USER = subject("user", "42");
let feed: Feed;
let made: { close(): void }[];

beforeEach(async () => {
  feed = await Feed.start();
  feed.jwks = { keys: [signer.jwk] };
  made = [];
});
afterEach(() => {
  for (const one of made) one.close();
  feed.close();
});

/** A verifier that asks when the test says so. */
function follow(options: Partial<VerifierOptions> = {}): Verifier & { follower: Follower; ask(): Promise<boolean> } {
  const all = { issuer: feed.url, monotonic: () => feed.clock, log: () => {}, ...options };
  const follower = followerOf(all);
  const verifier = { ...verifierOn(follower, all), follower, ask: () => follower.ask() };
  made.push(verifier);
  return verifier;
}

async function refusal(verifier: Verifier, token: string): Promise<string | undefined> {
  try {
    await verifier.verify(token);
    return undefined;
  } catch (why) {
    if (why instanceof Refused) return why.code;
    if (why instanceof Stale) return "stale";
    throw why;
  }
}

describe("subjects and floors", () => {
  const vectors: { scope: Scope; id: string; subject: string }[] = JSON.parse(readFileSync(`${ROOT}/docs/reference/subjects.json`, "utf8"));

  test("the vectors that every follower passes", () => {
    expect(new Set(vectors.map(({ scope }) => scope)).size).toBe(5);
    for (const vector of vectors) expect({ ...vector, subject: subject(vector.scope, vector.id) }).toEqual(vector);
    expect(() => subject("group" as Scope, "42")).toThrow("no scope");
    expect(() => subject("constructor" as Scope, "42")).toThrow("no scope");
  });

  test("each scope reads its own claim", () => {
    const claims = { jti: "jti-1", sid: "sid-1", sub: "42", client_id: "countersign", iss: "http://127.0.0.1:5000" };
    const ids = [["token", "jti-1"], ["session", "sid-1"], ["user", "42"], ["client", "countersign"], ["issuer", "http://127.0.0.1:5000"]];
    expect(subjects(claims)).toEqual(ids.map(([scope, id]) => vectors.find((one) => one.scope === scope && one.id === id)!.subject));
  });

  const entry = (other: object) => ({ seq: 9, scope: "user", subject: USER, reason: "revoked", exp: 10, ...other });

  test.each([
    { subject: "AAAA" },
    { subject: "6j_UO-HlfWLhY9rhn8dAv!" },
    { subject: "6j_UO-HlfWLhY9rhn8dAvB" },
    { subject: 7 },
    { scope: "group" },
    { scope: "toString" },
    { reason: "perhaps" },
    { seq: -1 },
    { seq: 1.5 },
    { seq: 2 ** 53 },
    { seq: "9" },
    { exp: true },
  ])("a floor that is not understood is an error and never skipped: %o", (bad) => {
    expect(() => readFloor(entry(bad))).toThrow(TypeError);
  });

  const [A, B] = ["a", "b"];

  test.each([
    [[], 5, undefined],
    [[], 11, "ahead"],
    [[[6, A, true]], 5, "revoked"],
    [[[6, A, true]], 6, undefined],
    [[[6, A, false]], 5, "superseded"],
    [[[6, A, true], [7, A, false]], 5, "revoked"],
    [[[6, A, true], [7, A, false]], 6, "superseded"],
    [[[6, A, false], [7, B, true]], 5, "revoked"],
    [[[7, A, true], [6, A, true]], 6, "revoked"],
    [[[12, A, false]], 11, "ahead"],
    [[[12, A, true]], 11, "revoked"],
  ] as const)("every matching floor counts and none masks another: %j at %i", (floors, rev, verdict) => {
    const held = new Floors();
    held.apply(floors.map(([seq, subject, revoked]) => ({ seq, subject, revoked, expires: 100 })), 10);
    expect(held.judge([A, B], rev)).toBe(verdict);
  });

  test("a floor is kept until the latest time that it was given", () => {
    const held = new Floors();
    held.apply([{ seq: 2, subject: A, revoked: true, expires: 20 }, { seq: 1, subject: A, revoked: true, expires: 10 }], 2);
    held.prune(19.9);
    expect(held.judge([A], 1)).toBe("revoked");
    held.prune(20);
    expect(held.size).toBe(0);
    // Not all at once, where there are many.
    held.apply([1, 2, 3].map((seq) => ({ seq, subject: `${seq}`, revoked: true, expires: 10 })), 3);
    held.prune(20, 2);
    expect(held.size).toBe(1);
    held.prune(20, 2);
    expect(held.size).toBe(0);
    // One that was renewed holds nobody back.
    held.apply([[1, A, 30], [2, B, 40], [3, A, 50]].map(([seq, subject, expires]) => ({ seq, subject, expires, revoked: true }) as Floor), 3);
    held.prune(45);
    expect([held.size, held.judge([A], 2), held.judge([B], 1)]).toEqual([1, "revoked", undefined]);
  });
});

test("whoever has read nothing says so", async () => {
  const verifier = follow();
  expect(await refusal(verifier, signer.token())).toBe("stale");
  expect(verifier.status()).toEqual({ seq: 0, floors: 0, age: undefined, fresh: false });
  await expect(verifier.verify(signer.token())).rejects.toMatchObject({ retryAfter: 1 });
});

describe("a token", () => {
  const secret = "correct-gravel-lantern-9173-umbrella";
  const [head, body, tail] = signer.token().split(".") as [string, string, string];
  const hmac = (key: string, header: object) => {
    const signed = `${b64({ kid: "k1", typ: "at+jwt", ...header })}.${body}`;
    return `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  };
  const changed = (text: string) => text.slice(0, -5) + (text.at(-5) === "A" ? "B" : "A") + text.slice(-4);

  test.each([
    ["nothing", "", "token_malformed"],
    ["two parts", `${head}.${body}`, "token_malformed"],
    ["four parts", `${head}.${body}.${tail}.`, "token_malformed"],
    ["noise", "a.b.c", "token_malformed"],
    ["padded", `${head}=.${body}.${tail}`, "token_malformed"],
    ["bits left over", `${head}.${body}.${tail.slice(0, -1)}${{ A: "B", Q: "R", g: "h", w: "x" }[tail.at(-1)!]}`, "token_malformed"],
    ["the other alphabet", `${head}.${body}.+/${tail.slice(2)}`, "token_malformed"],
    ["a header that is no object", signer.sign(`${b64("7")}.${body}`), "token_malformed"],
    ["a header that is no UTF-8", signer.sign(`${Buffer.from([34, 255, 34]).toString("base64url")}.${body}`), "token_malformed"],
    ["claims that are no object", signer.sign(`${head}.${b64("[]")}`), "token_malformed"],
    ["too long", `${head}.${"A".repeat(9000)}.${tail}`, "token_malformed"],
    ["other claims under the signature", `${head}.${b64({ ...CLAIMS, roles: ["admin"] })}.${tail}`, "token_signature_invalid"],
    ["another signature", `${head}.${body}.${changed(tail)}`, "token_signature_invalid"],
    ["no signature", `${head}.${body}.`, "token_signature_invalid"],
    ["a signature in DER", `${head}.${body}.${Buffer.from("30", "hex").toString("base64url")}`, "token_signature_invalid"],
    ["a signature of zeroes", `${head}.${body}.${Buffer.alloc(64).toString("base64url")}`, "token_signature_invalid"],
    ["alg none", `${b64({ alg: "none", kid: "k1", typ: "at+jwt" })}.${body}.`, "token_signature_invalid"],
    ["another alg", signer.token({}, { alg: "RS256" }), "token_signature_invalid"],
    ["the public key as a secret", hmac(JSON.stringify(signer.jwk), { alg: "HS256" }), "token_signature_invalid"],
    ["an unknown kid", new Signer("k2").token(), "token_signature_invalid"],
    ["another key under the kid", new Signer("k1").token(), "token_signature_invalid"],
    ["no kid", signer.token({}, { kid: undefined }), "token_signature_invalid"],
    ["jku", signer.token({}, { jku: "http://a" }), "token_signature_invalid"],
    ["jwk", signer.token({}, { jwk: signer.jwk }), "token_signature_invalid"],
    ["crit", signer.token({}, { crit: ["exp"] }), "token_signature_invalid"],
    ["another typ", signer.token({}, { typ: "JWT" }), "token_wrong_type"],
    ["no typ", signer.token({}, { typ: undefined }), "token_wrong_type"],
  ])("of this kind is refused: %s", async (_, token, code) => {
    feed.says(answer(200));
    const verifier = follow();
    await verifier.ask();
    expect(await refusal(verifier, token)).toBe(code);
    expect(await refusal(verifier, signer.token())).toBeUndefined();
  });

  test.each<[object, string | undefined]>([
    ...["iss", "sub", "aud", "client_id", "jti", "sid", "rev", "exp", "iat", "nbf", "type"].map((name) => [{ [name]: undefined }, "token_malformed"] as [object, string]),
    [{ jti: "" }, "token_malformed"],
    [{ jti: 7 }, "token_malformed"],
    [{ rev: "100" }, "token_malformed"],
    [{ rev: true }, "token_malformed"],
    [{ rev: -1 }, "token_malformed"],
    [{ rev: 2 ** 60 }, "token_malformed"],
    [{ exp: NOW + 9.5 }, "token_malformed"],
    [{ aud: [1] }, "token_malformed"],
    [{ roles: "admin" }, "token_malformed"],
    [{ sub: "\ud800" }, "token_malformed"],
    [{ type: "refresh" }, "token_wrong_type"],
    [{ iss: "https://other.example" }, "token_wrong_issuer"],
    [{ aud: "countersign-other" }, "token_wrong_audience"],
    [{ aud: ["other"] }, "token_wrong_audience"],
    [{ nbf: NOW + 31 }, "token_not_yet_valid"],
    [{ iat: NOW + 31, exp: NOW + 40 }, "token_expired"],
    [{ iat: NOW - 900, exp: NOW - 30 }, "token_expired"],
    [{ exp: NOW + 901 }, "token_expired"],
    [{ rev: 99 }, "token_revoked"],
    [{}, undefined],
    [{ aud: "countersign" }, undefined],
    [{ aud: ["other", "countersign"] }, undefined],
    [{ iat: NOW - 900, exp: NOW - 29 }, undefined],
  ])("with %o: %s", async (claims, code) => {
    feed.says(answer(200, [[100, "user", USER, "revoked"]]));
    const verifier = follow();
    await verifier.ask();
    expect(await refusal(verifier, signer.token(claims))).toBe(code);
  });

  test.each(["jti", "sid", "sub", "client_id", "iss"] as const)("is refused for a floor on its %s, of either reason", async (claim) => {
    const scope = ({ jti: "token", sid: "session", sub: "user", client_id: "client", iss: "issuer" } as const)[claim];
    for (const reason of ["revoked", "superseded"]) {
      feed.says(answer(200, [[101, scope, subject(scope, CLAIMS[claim]), reason]]));
      const verifier = follow();
      await verifier.ask();
      expect(await refusal(verifier, signer.token())).toBe(`token_${reason}`);
      expect(await refusal(verifier, signer.token({ rev: 101 }))).toBeUndefined();
    }
  });

  test.each(["ES256", "EdDSA", "RS256"] as const)("that is signed with %s is good", async (alg) => {
    const other = new Signer("k9", alg);
    feed.jwks = { keys: [signer.jwk, other.jwk, { kid: "later", kty: "AKP", alg: "ML-DSA-44", pub: "AA" }] };
    feed.says(answer(200));
    const verifier = follow();
    await verifier.ask();
    expect(await refusal(verifier, other.token())).toBeUndefined();
    expect(await refusal(verifier, other.token({}, { kid: "k1" }))).toBe("token_signature_invalid");
  });

  test("that is signed with a shared secret is good where it is known, and no other then", async () => {
    feed.says(answer(200));
    const verifier = follow({ secret });
    await verifier.ask();
    expect(await refusal(verifier, hmac(secret, { alg: "HS256" }))).toBeUndefined();
    expect(await refusal(verifier, hmac(`${secret}x`, { alg: "HS256" }))).toBe("token_signature_invalid");
    expect(await refusal(verifier, hmac(secret, { alg: "HS512" }))).toBe("token_signature_invalid");
    expect(await refusal(verifier, signer.token())).toBe("token_signature_invalid");
  });

  test("that was verified is judged anew every time, and its claims cannot be written to", async () => {
    feed.says(answer(200), answer(300, [[250, "user", USER, "revoked"]]));
    const verifier = follow();
    await verifier.ask();
    const token = signer.token({ roles: ["reader"] });
    const claims = await verifier.verify(token);
    expect(await verifier.verify(token)).toBe(claims);
    expect(() => (claims as { sub: string }).sub.length && Object.assign(claims, { sub: "1" })).toThrow(TypeError);
    expect(() => (claims.roles as string[]).push("admin")).toThrow(TypeError);
    await verifier.ask();
    expect(await refusal(verifier, token)).toBe("token_revoked");
    const expired = signer.token({ sub: "43" });
    expect(await refusal(verifier, expired)).toBeUndefined();
    feed.clock += 29;
    await verifier.ask();
    feed.says(answer(300, [], { now: NOW + 930 }));
    await verifier.ask();
    expect(await refusal(verifier, expired)).toBe("token_expired");
  });

  test("that was verified is not, once its key is gone", async () => {
    feed.says(answer(200), answer(200, [], { keys: 2 }));
    const verifier = follow();
    await verifier.ask();
    const token = signer.token();
    expect(await refusal(verifier, token)).toBeUndefined();
    const successor = new Signer("k2");
    feed.jwks = { keys: [successor.jwk] };
    await verifier.ask();
    expect(await refusal(verifier, token)).toBe("token_signature_invalid");
    expect(await refusal(verifier, successor.token())).toBeUndefined();
    // Another key under the same name is another key.
    feed.jwks = { keys: [new Signer("k2").jwk] };
    feed.says(answer(200, [], { keys: 3 }));
    const known = successor.token();
    await verifier.ask();
    expect(await refusal(verifier, known)).toBe("token_signature_invalid");
  });

  test("is remembered among so many at most", async () => {
    feed.says(answer(200));
    const verifier = follow({ memo: 10 });
    await verifier.ask();
    const tokens = Array.from({ length: 25 }, (_, n) => signer.token({ jti: `jti-${n}` }));
    const first = await verifier.verify(tokens[0]!);
    expect(await verifier.verify(tokens[0]!)).toBe(first);
    for (const token of tokens) await verifier.verify(token);
    expect(await verifier.verify(tokens[0]!)).not.toBe(first);
  });

  test("from ahead of the log waits for it, and is refused where it does not come", async () => {
    feed.says(answer(200), answer(300));
    const verifier = follow();
    await verifier.ask();
    expect(await refusal(verifier, signer.token({ rev: 999 }))).toBe("token_revoked");
    const waiting = refusal(verifier, signer.token({ rev: 250 }));
    expect(await Promise.race([waiting, Promise.resolve("waits")])).toBe("waits");
    await verifier.ask();
    expect(await waiting).toBeUndefined();
  });

  test("from ahead of the log is judged by what has become of its key meanwhile", async () => {
    feed.says(answer(200), answer(300, [], { keys: 2 }));
    const verifier = follow();
    await verifier.ask();
    const waiting = refusal(verifier, signer.token({ rev: 250 }));
    feed.jwks = { keys: [] };
    await verifier.ask();
    expect(await waiting).toBe("token_signature_invalid");
  });
});

describe("the log", () => {
  test("a lower position is taken, and floors stay", async () => {
    feed.says(answer(200, [[150, "user", USER, "revoked"]]), answer(120), answer(130));
    const verifier = follow();
    for (let n = 0; n < 3; n++) await verifier.ask();
    expect(feed.asked.map(({ after }) => after)).toEqual(["0", "200", "120"]);
    expect(verifier.status().seq).toBe(130);
    expect(await refusal(verifier, signer.token({ rev: 120 }))).toBe("token_revoked");
    expect(await refusal(verifier, signer.token({ sub: "43" }))).toBeUndefined();
  });

  test("pages are read to the end before anything is answered", async () => {
    const page = answer(150, [[150, "user", USER, "revoked"]], { more: true });
    feed.says(page, answer(200), page, answer(300));
    const verifier = follow();
    await verifier.ask();
    expect(await refusal(verifier, signer.token())).toBe("stale");
    await verifier.ask();
    expect(await refusal(verifier, signer.token())).toBe("token_revoked");
    expect(feed.asked.map(({ after, wait }) => [after, wait])).toEqual([["0", "0"], ["150", "0"]]);
    // Far behind later on: a page renews no lease, since it is not all that there is.
    feed.clock += 29;
    await verifier.ask();
    feed.clock += 2;
    expect(await refusal(verifier, signer.token())).toBe("stale");
    await verifier.ask();
    expect(await refusal(verifier, signer.token())).toBe("token_revoked");
  });

  test.each([["strict", 3, 1], ["bounded", 30, 10], ["lenient", 880, 10]] as const)("%s: the lease counts from when the question was sent", async (policy, lease, wait) => {
    feed.says(answer(200));
    const verifier = follow({ policy });
    feed.beforeAnswer = () => (feed.clock += 2);
    await verifier.ask();
    expect(verifier.follower.now()).toBe(NOW);
    feed.clock += lease - 2.5;
    expect(await refusal(verifier, signer.token())).toBeUndefined();
    feed.clock += 1;
    expect(await refusal(verifier, signer.token())).toBe(policy === "lenient" ? undefined : "stale");
    feed.clock += 100;
    expect(await refusal(verifier, signer.token())).toBe(policy === "lenient" ? "token_expired" : "stale");
    await verifier.ask().catch(() => {});
    expect(feed.asked[1]).toMatchObject({ wait: String(wait), lease: String(Math.min(lease, 30)) });
  });

  test.each([-3600, 0, 3600, -NOW + 10_000])("times are the issuer's, %i s from any other, and go on from the answer's arrival", async (skew) => {
    // The wall clock of this machine is years from NOW in any case.
    feed.says(answer(200, [], { now: NOW + skew }));
    const verifier = follow({ policy: "lenient" });
    await verifier.ask();
    const token = signer.token({ iat: NOW + skew, nbf: NOW + skew, exp: NOW + skew + 900 });
    expect(await refusal(verifier, token)).toBeUndefined();
    feed.clock += 929;
    expect(await refusal(verifier, token)).toBeUndefined();
    feed.clock += 1;
    expect(await refusal(verifier, token)).toBe("token_expired");
    expect(verifier.follower.now()).toBe(NOW + skew + 930);
  });

  test("floors are forgotten on the issuer's time and not before", async () => {
    feed.says(answer(200, [[150, "user", USER, "revoked"]]));
    const verifier = follow();
    await verifier.ask();
    for (const [passed, left] of [[959, 1], [960, 0]] as const) {
      feed.says(answer(200, [], { now: NOW + passed }));
      await verifier.ask();
      expect(verifier.status().floors).toBe(left);
    }
  });

  test("a check that waits while its floor is forgotten refuses", async () => {
    feed.says(answer(200, [[300, "user", USER, "revoked"]]), answer(400, [], { now: NOW + 960 }));
    const verifier = follow();
    await verifier.ask();
    const waiting = refusal(verifier, signer.token({ rev: 250, sub: "43" }));
    await verifier.ask();
    expect(verifier.status().floors).toBe(0);
    expect(await waiting).toBe("token_expired");
  });

  test("new keys are loaded before an answer counts, and without them it does not", async () => {
    feed.says(answer(200), answer(300, [], { keys: 2 }));
    const verifier = follow();
    await verifier.ask();
    expect(feed.jwksAsked).toBe(1);
    feed.jwks = undefined;
    feed.clock += 20;
    await expect(verifier.ask()).rejects.toThrow("500");
    expect(verifier.status()).toMatchObject({ seq: 200, age: 20 });
    feed.jwks = { keys: "none" };
    await expect(verifier.ask()).rejects.toThrow("key set");
    feed.jwks = { keys: [signer.jwk] };
    await verifier.ask();
    expect(verifier.status()).toMatchObject({ seq: 300, age: 0 });
    await verifier.ask();
    expect(feed.jwksAsked).toBe(4);
  });

  test("an unknown key is looked for once in ten seconds, by all together", async () => {
    feed.says(answer(200));
    const verifier = follow();
    await verifier.ask();
    const newer = new Signer("k2");
    const look = () => Promise.all(Array.from({ length: 5 }, () => refusal(verifier, newer.token())));
    expect(await look()).toEqual(Array(5).fill("token_signature_invalid"));
    expect(feed.jwksAsked).toBe(2);
    feed.jwks = { keys: [signer.jwk, newer.jwk] };
    feed.clock += 9;
    expect(await look()).toEqual(Array(5).fill("token_signature_invalid"));
    feed.clock += 1;
    expect(await look()).toEqual(Array(5).fill(undefined));
    expect(feed.jwksAsked).toBe(3);
    // Whoever hears nothing cannot know whether there is one.
    feed.clock += 30;
    expect(await refusal(verifier, new Signer("k3").token())).toBe("stale");
  });

  test.each([
    answer(300, [], { floors: [{ seq: 300, scope: "user", subject: "short", reason: "revoked", exp: NOW }] }),
    answer(300, [[300, "galaxy", USER, "revoked"]]),
    answer(300, [], { floors: {} }),
    answer(300, [], { more: "yes" }),
    answer(300, [], { life: -1 }),
    answer(300, [], { now: null }),
    answer(300, [], { seq: 2 ** 60 }),
    [200, []],
    [200, null],
    [200, "[".repeat(100_000)],
    [200, "not json"],
    [200, '"'.padEnd(5 << 20, "x")],
    [503, {}],
    [302, {}, { Location: "http://127.0.0.1:9/" }],
  ])("an answer that is none changes nothing: %#", async (bad) => {
    feed.says(answer(200), bad as object);
    const verifier = follow();
    await verifier.ask();
    feed.clock += 5;
    await expect(verifier.ask()).rejects.toThrow();
    expect(verifier.status()).toEqual({ seq: 200, floors: 0, age: 5, fresh: true });
  });

  test("a log beyond all bounds ends in staleness rather than memory", async () => {
    const floors = Array.from({ length: 11 }, (_, n) => [n + 1, "user", subject("user", `${n}`), "revoked"] as [number, string, string, string]);
    feed.says(answer(5, floors.slice(0, 10)), answer(20, floors));
    const verifier = follow({ maxFloors: 10 });
    await verifier.ask();
    await expect(verifier.ask()).rejects.toThrow("more than 10");
    feed.clock += 30;
    expect(await refusal(verifier, signer.token())).toBe("stale");
  });

  test("credentials are shown to the feed, and to nobody else", async () => {
    feed.says(answer(200));
    const verifier = follow({ credentials: { id: "reports", secret: "s3cret" } });
    await verifier.ask();
    expect(feed.headers[0]!.authorization).toBe("Basic cmVwb3J0czpzM2NyZXQ=");
  });

  test("answers that come at once with nothing do not spin", async () => {
    feed.says(answer(200));
    const verifier = follow();
    expect([await verifier.ask(), await verifier.ask(), await verifier.ask()]).toEqual([true, false, false]);
  });
});

test("a question is never led to another address, where the credentials would go along", async () => {
  const other = await Feed.start();
  made.push(other);
  other.says(answer(300));
  feed.says(answer(200), [307, {}, { Location: `${other.url}/revocations` }]);
  const verifier = follow({ credentials: { id: "reports", secret: "s3cret" } });
  await verifier.ask();
  await expect(verifier.ask()).rejects.toThrow();
  expect(other.asked).toEqual([]);
});

test("keys that are not what they say, or too short, are of no use", async () => {
  const rsa = new Signer("rsa", "RS256");
  const short = new Signer("short", "RS256", 1024);
  const labelled = { ...signer.jwk, alg: "RS256" };
  const encrypting = { ...new Signer("enc").jwk, use: "enc" };
  const others = [{ ...rsa.jwk, kid: "a", alg: "ES256" }, { ...signer.jwk, kid: "b", alg: "EdDSA" }, { ...signer.jwk, kid: "c", alg: "toString" }];
  feed.jwks = { keys: [labelled, ...others, short.jwk, encrypting, null, 7, { kid: "empty" }, rsa.jwk] };
  feed.says(answer(200));
  const verifier = follow();
  await verifier.ask();
  expect([...verifier.follower.keys.keys()]).toEqual(["rsa"]);
  expect(await refusal(verifier, short.token())).toBe("token_signature_invalid");
  expect(await refusal(verifier, rsa.token())).toBeUndefined();
});

describe("following", () => {
  const start = (options: Partial<VerifierOptions> = {}) => {
    const verifier = createVerifier({ issuer: feed.url, log: () => {}, ...options });
    made.push(verifier);
    return verifier;
  };

  test("is ready when the log was read, and stale for good once it is closed", async () => {
    let held = () => {};
    feed.says(answer(200));
    feed.beforeAnswer = () => feed.asked.length > 1 && new Promise<void>((go) => (held = go));
    const verifier = start();
    await verifier.ready;
    expect(await refusal(verifier, signer.token())).toBeUndefined();
    await eventually(() => feed.asked.length === 2);
    verifier.close();
    held();
    expect(await refusal(verifier, signer.token())).toBe("stale");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await refusal(verifier, signer.token())).toBe("stale");
    expect(feed.asked.length).toBe(2);
  });

  test("says once that the issuer is lost, pauses longer and longer, and says that it is found", async () => {
    const log = vi.fn();
    const at: number[] = [];
    feed.says([500, {}], [500, {}], [500, {}], [500, {}], answer(200));
    feed.beforeAnswer = () => at.push(performance.now());
    const verifier = start({ log });
    await verifier.ready;
    const pauses = at.slice(1, 5).map((time, n) => time - at[n]!);
    for (const [n, pause] of pauses.entries()) expect(pause).toBeGreaterThanOrEqual(50 * 2 ** n - 2);
    await eventually(() => log.mock.calls.length === 2);
    expect(log.mock.calls.flat().map(String)).toEqual([expect.stringContaining("cannot follow"), expect.stringContaining("again")]);
    expect(log.mock.calls.flat().join()).not.toContain("secret");
  });

  test("a pause that the issuer asks for is kept", async () => {
    const at: number[] = [];
    feed.says([503, {}, { "Retry-After": "1" }], answer(200));
    feed.beforeAnswer = () => at.push(performance.now());
    await start().ready;
    expect(at[1]! - at[0]!).toBeGreaterThanOrEqual(498);
  });

  test("who waits for the end of a login hears of it: revoked, expired, or not to be known", async () => {
    let asked = 0;
    const later = [answer(300, [[250, "user", USER, "revoked"]]), answer(300, [], { now: NOW + 2000 })];
    let next = () => {};
    feed.beforeAnswer = () => {
      if (asked++ === 0) return feed.says(answer(200));
      return new Promise<void>((go) => (next = () => (feed.says(later.shift()!), go())));
    };
    const verifier = start({ policy: "lenient" });
    await verifier.ready;
    const [revoked, expired] = [verifier.ended(signer.token()), verifier.ended(signer.token({ sub: "43" }))];
    const stopped = new AbortController();
    const never = verifier.ended(signer.token({ sub: "44" }), stopped.signal);
    stopped.abort(new Error("enough"));
    await expect(never).rejects.toThrow("enough");
    await eventually(() => asked === 2);
    expect(await Promise.race([revoked, expired, new Promise((resolve) => setTimeout(resolve, 50, "both go on"))])).toBe("both go on");
    next();
    expect(await revoked).toMatchObject({ code: "token_revoked" });
    await eventually(() => asked === 3);
    next();
    expect(await expired).toMatchObject({ code: "token_expired" });
    await eventually(() => asked >= 4);
    const end = verifier.ended(signer.token({ sub: "45", iat: NOW + 2000, nbf: NOW + 2000, exp: NOW + 2900 }));
    verifier.close();
    expect(await end).toBeInstanceOf(Stale);
  });

  test("a frozen link ends the lease in time, and is given up", async () => {
    feed.says(answer(200));
    feed.beforeAnswer = () => feed.asked.length === 2 && new Promise((resolve) => setTimeout(resolve, 10_000).unref());
    const verifier = start({ policy: "strict", monotonic: () => feed.clock });
    await verifier.ready;
    await eventually(() => feed.asked.length === 2);
    feed.clock += 3;
    expect(await refusal(verifier, signer.token())).toBe("stale");
    // Asked again on another connection, while the first still says nothing.
    expect(await eventually(() => verifier.status().fresh)).toBeLessThan(4_000);
    expect(feed.asked.length).toBeGreaterThanOrEqual(3);
  });
});

test.each(["", "ftp://a", "http://", "http://a?b", "http://user:secret@host", "127.0.0.1:5000"])("an address that is none is refused at once: %s", (issuer) => {
  expect(() => followerOf({ issuer })).toThrow(TypeError);
});

test.each([{ policy: "loose" }, { policy: "toString" }, { leeway: -1 }, { leeway: 31 }, { leeway: NaN }])("options that would let dead tokens live are refused: %o", (bad) => {
  expect(() => follow(bad as object)).toThrow(TypeError);
});
