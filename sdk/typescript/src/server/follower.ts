// Following the revocation log of one issuer: docs/reference/revocations.md.

import { randomBytes } from "node:crypto";

import { sleep } from "../tabs.js";
import { type Clock, type Moment } from "./clock.js";
import { Floors } from "./floors.js";
import { keysOf, type Key } from "./keys.js";
import { addressOf, Answered, get, readAnswer, type Answer } from "./link.js";
import { Stale } from "./refusal.js";

/** For how many seconds without an answer a follower goes on. */
export const POLICIES = { strict: 3, bounded: 30, lenient: Infinity };
export type Policy = keyof typeof POLICIES;

/** The longest lease that the feed knows. */
const LONGEST = 30;
/** For how many seconds a check waits for a log that its token is ahead of, and how many may wait. */
const CATCH_UP = 1;
const CATCHING_UP = 32;
/** Seconds between two looks for a key that nobody has heard of. */
const KEY_LOOKS = 10;

export interface FollowerOptions {
  issuer: string;
  credentials?: { id: string; secret: string };
  policy: Policy;
  maxFloors: number;
  clock: Clock;
  log: (message: string) => void;
}

export class Follower {
  readonly floors = new Floors();
  keys: ReadonlyMap<string, Key> = new Map();
  issuer: string | undefined;
  life = 0;
  readonly #options: FollowerOptions;
  readonly #url: string;
  readonly #lease: number;
  /** A third of the lease, since it must not lapse between two answers. */
  readonly #wait: number;
  readonly #patience: number;
  readonly #query: string;
  readonly #headers: Record<string, string> = {};
  readonly #closing = new AbortController();
  /** When the question was sent after whose answer nothing was missing. */
  #asOf: Moment | undefined;
  #issuerNow: readonly [number, Moment] | undefined;
  #keysVersion: number | undefined;
  /** One load of keys at a time: an older set must not replace a newer one. */
  #loading: Promise<unknown> = Promise.resolve();
  #looked: Moment | undefined;
  #look: Promise<void> | undefined;
  readonly #catchingUp = new Set<{ rev: number; done: () => void }>();
  readonly #hearing = new Set<() => void>();
  #ready!: () => void;
  readonly ready = new Promise<void>((resolve) => (this.#ready = resolve));

  constructor(options: FollowerOptions) {
    this.#options = options;
    this.#url = addressOf(options.issuer);
    this.#lease = POLICIES[options.policy];
    const lease = Math.min(this.#lease, LONGEST);
    this.#wait = Math.floor(lease / 3);
    this.#patience = Math.max(1, Math.min(5, lease / 3));
    this.#query = `follower=${randomBytes(8).toString("hex")}&lease=${lease}`;
    const { credentials } = options;
    if (credentials) {
      this.#headers["Authorization"] = `Basic ${Buffer.from(`${credentials.id}:${credentials.secret}`).toString("base64")}`;
    }
  }

  /** Seconds since the last answered question was sent; nothing before the first. */
  get age(): number | undefined {
    return this.#asOf && this.#options.clock.since(this.#asOf);
  }

  /** Whether checks may be answered. */
  get fresh(): boolean {
    const { age } = this;
    return age !== undefined && age < this.#lease;
  }

  /** The issuer's time, in seconds since the Unix epoch. */
  now(): number {
    if (!this.#issuerNow) throw new Stale("the issuer has not been reached yet");
    const [base, then] = this.#issuerNow;
    return base + this.#options.clock.since(then);
  }

  /** One key, after looking once whether there are newer ones; at most every 10 s. */
  async key(kid: string): Promise<Key | undefined> {
    if (!this.keys.has(kid) && !this.#closing.signal.aborted) await this.#lookForKeys();
    const key = this.keys.get(kid);
    if (!key && !this.fresh) throw new Stale("whether there are newer keys cannot be known now");
    return key;
  }

  async #lookForKeys(): Promise<void> {
    const { clock, log } = this.#options;
    if (!this.#look) {
      if (this.#looked && clock.since(this.#looked) < KEY_LOOKS) return;
      this.#looked = clock.now();
      this.#look = this.#loadKeys(randomBytes(4).toString("hex"))
        .catch((why) => log(`cannot look for newer keys of ${this.#url}: ${why}`))
        .finally(() => (this.#look = undefined));
    }
    await this.#look;
  }

  /** Waits for the question that is under way: the issuer answers it as soon as it knows more. */
  async catchUp(rev: number): Promise<void> {
    const waiting = this.#catchingUp;
    if (waiting.size >= CATCHING_UP) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => one.done(), CATCH_UP * 1000);
      const one = { rev, done: () => (clearTimeout(timer), waiting.delete(one), resolve()) };
      waiting.add(one);
    });
  }

  /** Calls back once, at the next answer or when it is closed. */
  onChange(hear: () => void): () => void {
    this.#hearing.add(hear);
    return () => this.#hearing.delete(hear);
  }

  #changed(): void {
    const hearing = [...this.#hearing];
    this.#hearing.clear();
    for (const hear of hearing) hear();
  }

  /** Follows until it is closed. */
  async run(): Promise<void> {
    const { log } = this.#options;
    const closing = this.#closing.signal;
    for (let failures = 0; !closing.aborted; ) {
      let pause = 0;
      try {
        // Answered at once with nothing new, as by a server that is about to stop: not again at once.
        if (!(await this.ask())) pause = 0.2;
        if (failures > 1) log(`following ${this.#url} again`);
        failures = 0;
      } catch (why) {
        if (closing.aborted) return;
        // The first may be a connection that was closed while it was idle.
        if (failures === 1) log(`cannot follow ${this.#url}: ${(why as Error).cause ?? why}`);
        // Never longer than a third of the lease, unless the issuer asks for it.
        pause = Math.min(0.1 * 2 ** Math.min(failures, 6), this.#patience);
        if (why instanceof Answered) pause = Math.max(pause, why.retryAfter);
        failures++;
      }
      // Jitter, or all who lost the issuer together would come back together.
      if (pause) await sleep(pause * (500 + Math.random() * 500), closing).catch(() => {});
    }
  }

  /** Asks once, and applies the answer. False where it came early and brought nothing. */
  async ask(): Promise<boolean> {
    const { clock } = this.#options;
    const after = this.floors.seq;
    const behind = this.#asOf === undefined;
    const wait = behind ? 0 : this.#wait;
    // The lease counts from here: an answer that was long under way proves nothing later.
    const sent = clock.now();
    const url = `${this.#url}/revocations?after=${after}&wait=${wait}&${this.#query}`;
    const answer = readAnswer(await get(url, this.#headers, wait + this.#patience, this.#closing.signal));
    const arrived = clock.now();
    const rekeyed = answer.keys !== this.#keysVersion;
    // Before anything of the answer counts, and read after it came.
    if (rekeyed) await this.#loadKeys(String(answer.keys));
    this.#apply(answer, sent, arrived);
    const idle = answer.seq === after && !(rekeyed || behind || answer.more);
    return !idle || clock.since(sent) >= wait / 2;
  }

  #apply(answer: Answer, sent: Moment, arrived: Moment): void {
    if (this.#closing.signal.aborted) return;
    const { maxFloors } = this.#options;
    if (this.floors.size + answer.floors.length > maxFloors) throw new RangeError(`the log has more than ${maxFloors} floors`);
    this.floors.apply(answer.floors, answer.seq);
    this.#keysVersion = answer.keys;
    this.life = answer.life;
    this.#issuerNow = [answer.now, arrived];
    if (!answer.more) {
      this.#asOf = sent;
      this.#ready();
    }
    this.floors.prune(this.now());
    for (const one of [...this.#catchingUp]) if (this.floors.seq >= one.rev) one.done();
    this.#changed();
  }

  /** Keys and issuer. The version in the query keeps caches on the way from answering. */
  #loadKeys(version: string): Promise<void> {
    const load = async () => {
      const ask = (path: string) => get(this.#url + path, {}, this.#patience, this.#closing.signal);
      const set = await ask(`/.well-known/jwks.json?v=${version}`);
      const { issuer } = await ask("/.well-known/oauth-authorization-server");
      if (typeof issuer !== "string") throw new TypeError("the metadata names no issuer");
      this.keys = keysOf(set, this.keys);
      this.issuer = issuer;
    };
    const mine = this.#loading.then(load);
    this.#loading = mine.catch(() => {});
    return mine;
  }

  /** Stops following: every check is stale from now on. */
  close(): void {
    this.#closing.abort();
    this.#asOf = undefined;
    for (const one of [...this.#catchingUp]) one.done();
    this.#changed();
  }
}
