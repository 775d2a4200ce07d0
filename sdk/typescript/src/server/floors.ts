// The rule: a token is refused if any of its scopes has a floor greater than its `rev`.

import { createHash } from "node:crypto";

/** Which claim names the subject of which scope. */
export const SCOPES = { token: "jti", session: "sid", user: "sub", client: "client_id", issuer: "iss" } as const;
export type Scope = keyof typeof SCOPES;

/** Whom a floor concerns, as the feed writes it; to compare with the published vectors. */
export function subject(scope: Scope, id: string): string {
  if (!Object.hasOwn(SCOPES, scope)) throw new TypeError(`no scope is called ${scope}`);
  return createHash("sha256").update(`${scope}:${id}`, "utf8").digest().subarray(0, 16).toString("base64url");
}

/** The five subjects of a token. */
export const subjects = (claims: Record<(typeof SCOPES)[Scope], string>): string[] =>
  Object.entries(SCOPES).map(([scope, claim]) => subject(scope as Scope, claims[claim]));

/** A number of the wire: whole, not negative, and below 2^53. */
export function whole(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new TypeError("not a whole number");
  return value as number;
}

/** One entry of the log. */
export interface Floor {
  seq: number;
  subject: string;
  revoked: boolean;
  expires: number;
}

/** From the feed. Throws at what it does not understand: an entry that is skipped is a logout that is ignored. */
export function readFloor(entry: any): Floor {
  const { seq, scope, subject, reason, exp } = entry;
  if (!Object.hasOwn(SCOPES, scope) || (reason !== "revoked" && reason !== "superseded")) throw new TypeError("a floor of an unknown kind");
  // 22 characters of which the last has four bits that count.
  if (typeof subject !== "string" || !/^[\w-]{21}[AQgw]$/.test(subject)) throw new TypeError("a subject has 16 bytes");
  return { seq: whole(seq), subject, revoked: reason === "revoked", expires: whole(exp) };
}

type Mark = { revoked: number; superseded: number; expires: number };

/** The floors in force, and how far in the log they reach. */
export class Floors {
  /** The highest floor of either reason, so that none masks another. In the order in which they came. */
  readonly #marks = new Map<string, Mark>();
  seq = 0;

  get size(): number {
    return this.#marks.size;
  }

  /**
   * Adds what an answer brought and takes its `seq`, even where that is lower: a database that went
   * back in time leads, and its followers follow.
   */
  apply(floors: readonly Floor[], seq: number): void {
    for (const { seq, subject, revoked, expires } of floors) {
      const mark = this.#marks.get(subject) ?? { revoked: 0, superseded: 0, expires: 0 };
      const reason = revoked ? "revoked" : "superseded";
      mark[reason] = Math.max(mark[reason], seq);
      mark.expires = Math.max(mark.expires, expires);
      // To the end, where the latest to expire are.
      this.#marks.delete(subject);
      this.#marks.set(subject, mark);
    }
    this.seq = seq;
  }

  /**
   * Forgets what concerns expired tokens only, from the front: what stands behind a longer one waits
   * for it. At most `most` at a time, since nothing else is answered meanwhile.
   */
  prune(now: number, most = 50_000): void {
    for (const [subject, mark] of this.#marks) {
      if (mark.expires > now || most-- <= 0) return;
      this.#marks.delete(subject);
    }
  }

  /**
   * `revoked` if any matching floor says so, `ahead` if `rev` is not yet in the log as we know it,
   * `superseded`, or nothing.
   */
  judge(subjects: readonly string[], rev: number): "revoked" | "ahead" | "superseded" | undefined {
    let verdict: "ahead" | "superseded" | undefined = rev > this.seq ? "ahead" : undefined;
    for (const subject of subjects) {
      const mark = this.#marks.get(subject);
      if (!mark) continue;
      if (mark.revoked > rev) return "revoked";
      if (mark.superseded > rev) verdict ??= "superseded";
    }
    return verdict;
  }
}
