// What a browser gives the tabs of one origin: storage, cookies, locks, channels.

import { createClient, type Client, type ClientOptions, type Platform, type Store } from "../../src/index.js";

/** A Storage in memory. */
export class Shelf implements Store {
  readonly items = new Map<string, string>();
  getItem = (key: string) => this.items.get(key) ?? null;
  setItem = (key: string, value: string) => void this.items.set(key, value);
  removeItem = (key: string) => void this.items.delete(key);
}

/** One tab's view of a Storage: what another tab writes shows here some milliseconds later, as in browsers with a process for each tab. */
export class View implements Store {
  static readonly LATE = 15;
  readonly #items: Map<string, string>;
  readonly #others: Set<View>;

  constructor(shelf: Shelf, others: Set<View>) {
    this.#items = new Map(shelf.items);
    this.#others = others.add(this);
  }

  getItem = (key: string) => this.#items.get(key) ?? null;
  setItem = (key: string, value: string) => this.#write((items) => items.set(key, value));
  removeItem = (key: string) => this.#write((items) => items.delete(key));

  #write(write: (items: Map<string, string>) => void): void {
    write(this.#items);
    for (const other of this.#others) if (other !== this) setTimeout(() => write(other.#items), View.LATE);
  }
}

/** Web Locks: one holder for a name, the others in their order. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();
  readonly #held = new Map<string, number>();
  readonly request = (async (name: string, ...rest: [LockOptions, LockGrantedCallback<unknown>] | [LockGrantedCallback<unknown>]) => {
    const act = rest.at(-1) as LockGrantedCallback<unknown>;
    const held = this.#held.get(name) ?? 0;
    if (rest.length > 1 && (rest[0] as LockOptions).ifAvailable && held) return act(null);
    this.#held.set(name, held + 1);
    const mine = (this.#last.get(name) ?? Promise.resolve()).then(() => act({ name, mode: "exclusive" }));
    this.#last.set(name, mine.catch(() => {}));
    return mine.finally(() => this.#held.set(name, this.#held.get(name)! - 1));
  }) as LockManager["request"];
}

export interface Sent {
  method: string;
  path: string;
  authorization: string | null;
  status: number;
}

/** One profile of a browser: its tabs share cookies, storage, locks and channels. */
export class Browser {
  readonly localStorage = new Shelf();
  readonly cookies = new Map<string, string>();
  /** Every request of every tab. */
  readonly sent: Sent[] = [];
  readonly #locks = new Locks();
  readonly #tabs: Client[] = [];

  constructor(readonly baseUrl: string) {}

  /** As `fetch` of a page on the site of `baseUrl`: cookies come and go, and it says where it is from. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init);
    const cookies = init?.credentials === "include" || request.credentials === "include";
    if (cookies && this.cookies.size) request.headers.set("Cookie", [...this.cookies].map((pair) => pair.join("=")).join("; "));
    request.headers.set("Sec-Fetch-Site", "same-origin");
    const sent = { method: request.method, path: new URL(request.url).pathname, authorization: request.headers.get("Authorization"), status: 0 };
    this.sent.push(sent);
    const response = await fetch(request);
    sent.status = response.status;
    for (const line of response.headers.getSetCookie()) {
      const [, name, value, rest] = /^([^=]+)=([^;]*)(.*)$/.exec(line)!;
      if (/max-age=0(;|$)/i.test(rest!)) this.cookies.delete(name!);
      else this.cookies.set(name!, value!);
    }
    return response;
  };

  tab(options: Partial<ClientOptions> = {}, without: Partial<Platform> = {}): Client {
    const platform = { fetch: this.fetch, localStorage: this.localStorage, sessionStorage: new Shelf(), locks: this.#locks, ...without };
    const client = createClient({ baseUrl: this.baseUrl, ...options, platform: { ...platform, ...options.platform } });
    this.#tabs.push(client);
    return client;
  }

  /** How often a path was asked for. */
  count(path: string): number {
    return this.sent.filter((one) => one.path === path).length;
  }

  close(): void {
    for (const tab of this.#tabs) tab.close();
  }
}
