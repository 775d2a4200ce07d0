// Questions to the issuer.

import { retryAfter } from "../errors.js";
import { readFloor, whole, type Floor } from "./floors.js";

/** Ten thousand floors of about 150 bytes, and room for longer numbers. */
const MAX_BODY = 4 << 20;

/** The issuer answered something other than 200. */
export class Answered extends Error {
  constructor(
    status: number,
    /** Seconds that it asks for, at most a minute. */
    readonly retryAfter: number,
  ) {
    super(`the issuer answered ${status}`);
  }
}

/** An answer of `GET /revocations`. */
export interface Answer {
  seq: number;
  now: number;
  life: number;
  keys: number;
  more: boolean;
  floors: Floor[];
}

/** Throws at anything that is no answer. */
export function readAnswer(body: any): Answer {
  const { seq, now, life, keys, more, floors } = body;
  if (typeof more !== "boolean" || !Array.isArray(floors)) throw new TypeError("not an answer of the feed");
  return { seq: whole(seq), now: whole(now), life: whole(life), keys: whole(keys), more, floors: floors.map(readFloor) };
}

/** The issuer's address, checked. */
export function addressOf(issuer: string): string {
  const url = new URL(issuer);
  if (!/^https?:$/.test(url.protocol)) throw new TypeError("the issuer's URL begins with http:// or https://");
  if (url.search || url.hash || url.username || url.password) throw new TypeError("the issuer's URL has no query, no fragment and no credentials");
  return url.href.replace(/\/+$/, "");
}

/**
 * The JSON at a URL, whole within so many seconds, or an exception. Never follows to another address,
 * where the credentials would go along.
 */
export async function get(url: string, headers: Record<string, string>, seconds: number, closing: AbortSignal): Promise<any> {
  const control = new AbortController();
  const late = setTimeout(() => control.abort(new Error(`no answer within ${seconds} s`)), seconds * 1000);
  const close = () => control.abort(closing.reason);
  closing.addEventListener("abort", close);
  try {
    closing.throwIfAborted();
    const response = await fetch(url, {
      headers: { Accept: "application/json", "Cache-Control": "no-cache", ...headers },
      redirect: "error",
      signal: control.signal,
    });
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body ?? []) {
      chunks.push(chunk as Uint8Array);
      if ((size += (chunk as Uint8Array).length) > MAX_BODY) throw new RangeError("the answer is too long");
    }
    if (response.status !== 200) throw new Answered(response.status, Math.min(retryAfter(response.headers.get("Retry-After")) ?? 0, 60));
    return JSON.parse(Buffer.concat(chunks).toString("utf8"));
  } finally {
    clearTimeout(late);
    closing.removeEventListener("abort", close);
  }
}
