// Following a scripted feed: what counts, when, and for how long.

import { describe, expect, test, vi } from "vitest";

import { subject } from "../src/server/floors.js";
import { createVerifier, followerOf, type VerifierOptions } from "../src/server/verifier.js";
import { Stale } from "../src/server.js";
import { answer, Feed, NOW, Signer } from "./support/feed.js";
import { eventually } from "./support/server.js";
import { eachWithAFeed, feed, follow, made, refusal, signer, USER } from "./support/verifying.js";

eachWithAFeed();

test("whoever has read nothing says so", async () => {
  const verifier = follow();
  expect(await refusal(verifier, signer.token())).toBe("stale");
  expect(verifier.status()).toEqual({ seq: 0, floors: 0, age: undefined, fresh: false });
  await expect(verifier.verify(signer.token())).rejects.toMatchObject({ retryAfter: 1 });
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
