// What is asked of a token, before a scripted feed.

import { createHmac } from "node:crypto";

import { describe, expect, test } from "vitest";

import { subject } from "../src/server/floors.js";
import { answer, b64, CLAIMS, NOW, Signer } from "./support/feed.js";
import { eachWithAFeed, feed, follow, refusal, signer, USER } from "./support/verifying.js";

eachWithAFeed();

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
