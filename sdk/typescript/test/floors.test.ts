import { readFileSync } from "node:fs";

import { describe, expect, test } from "vitest";

import { Floors, readFloor, subject, subjects, type Floor, type Scope } from "../src/server/floors.js";
import { ROOT } from "./support/server.js";

const USER = subject("user", "42");

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
