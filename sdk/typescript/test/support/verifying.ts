// A verifier before a scripted feed.

import { afterEach, beforeEach } from "vitest";

import { Refused, Stale } from "../../src/server.js";
import type { Follower } from "../../src/server/follower.js";
import { subject } from "../../src/server/floors.js";
import { followerOf, verifierOn, type Verifier, type VerifierOptions } from "../../src/server/verifier.js";
import { Feed, Signer } from "./feed.js";

export const signer = new Signer();
export const USER = subject("user", "42");
export let feed: Feed;
export let made: { close(): void }[];

/** A feed of its own for each test of a file. */
export function eachWithAFeed(): void {
  beforeEach(async () => {
    feed = await Feed.start();
    feed.jwks = { keys: [signer.jwk] };
    made = [];
  });
  afterEach(() => {
    for (const one of made) one.close();
    feed.close();
  });
}

/** A verifier that asks when the test says so. */
export function follow(options: Partial<VerifierOptions> = {}): Verifier & { follower: Follower; ask(): Promise<boolean> } {
  const all = { issuer: feed.url, monotonic: () => feed.clock, log: () => {}, ...options };
  const follower = followerOf(all);
  const verifier = { ...verifierOn(follower, all), follower, ask: () => follower.ask() };
  made.push(verifier);
  return verifier;
}

export async function refusal(verifier: Verifier, token: string): Promise<string | undefined> {
  try {
    await verifier.verify(token);
    return undefined;
  } catch (why) {
    if (why instanceof Refused) return why.code;
    if (why instanceof Stale) return "stale";
    throw why;
  }
}
