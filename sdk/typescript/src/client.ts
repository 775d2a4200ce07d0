import type { LoginAnswer, Registered, RegisterBody, Session, Sessions, User } from "./api.js";
import { CountersignError, refusal, retryAfter, unreachable } from "./errors.js";
import { attempt, channel, here, lock, settled, sleep, type Platform } from "./tabs.js";

export interface ClientOptions {
  /** Countersign's public URL, or a path on the page's own site such as `/auth`. */
  baseUrl: string;
  /**
   * How a login is held. `cookie` (the default) and `session` keep it in `HttpOnly` cookies, out of
   * reach of any script. `token` is for places without cookies: a script that gets into the page
   * can carry its tokens away.
   */
  mode?: "cookie" | "token" | "session";
  /**
   * Where token mode keeps its tokens. `memory` (the default): every tab signs in by itself, anew
   * after a reload. `sessionStorage`: over a reload. `localStorage`, under the key `jwt`: shared by
   * all tabs, and readable by any script of the origin for as long as the login lasts.
   */
  storage?: "memory" | "sessionStorage" | "localStorage";
  /** Further origins to which `fetch` may show the login. The page's own and that of `baseUrl` always may. */
  origins?: string[];
  /** For how many seconds altogether a request waits while a server says 503 with `Retry-After`. Default 30. */
  patience?: number;
  /** What browsers bring along, for places that lack it. */
  platform?: Partial<Platform>;
}

/** A name and a password. Either field takes a username or an e-mail address. */
export type Credentials = { password: string } & (
  | { username: string; email?: undefined }
  | { email: string; username?: undefined }
);

/** What to send with one request, for adapters of other HTTP libraries. */
export interface Ticket {
  /** Headers to add; empty where cookies do it. */
  headers: Record<string, string>;
  /** Whether cookies must go along, to another origin too. */
  cookies: boolean;
  /** Which login it is, for {@link Client.renew}. */
  version: string | undefined;
}

export interface Client {
  /** Makes an account; does not sign in. */
  register(account: RegisterBody): Promise<User>;
  login(credentials: Credentials): Promise<User>;
  /** Ends this login, or every login of the user. Rejects, still signed in, where the server cannot be reached. */
  logout(options?: { all?: boolean }): Promise<void>;
  /**
   * As the global `fetch`, with the login: shown to allowed origins only, refreshed before it expires
   * and once upon 401, after which the request is repeated (unless its body is a stream, which can be
   * sent once). 503 with `Retry-After` is waited out; 429 and 403 are answers like any other.
   * Rejects with {@link CountersignError} where the login needed a refresh that could not be made.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  profile(): Promise<User>;
  updateProfile(change: { username?: string; email?: string; current_password: string }): Promise<User>;
  /** Every other login of the user ends. */
  changePassword(change: { current_password: string; new_password: string }): Promise<void>;
  deleteAccount(proof: { password: string }): Promise<void>;
  /** Where the user is signed in. */
  sessions(): Promise<Session[]>;
  endSession(id: string): Promise<void>;
  /** Settles once the first state is known; asked for at first use, and again until there is an answer. */
  readonly ready: Promise<User | null>;
  /** Who is signed in; `null`: nobody; `undefined`: not known yet. The same object until something changes. */
  readonly user: User | null | undefined;
  /** Calls back at every change, and sees to it that the first state becomes known. */
  subscribe(listener: (user: User | null | undefined) => void): () => void;
  /** What to send to this URL, refreshed if due; nothing where the login must not be shown. */
  ticket(url: string | URL): Promise<Ticket | undefined>;
  /** After a 401 to a ticket: whether to repeat the request with a new one. `code` as in the answer. */
  renew(ticket: Ticket, code?: string): Promise<boolean>;
  /** Forgets listeners and other tabs; signs nobody out. */
  close(): void;
}

/** A login as this client knows it. Without tokens in cookie mode, where it is no secret. */
interface Grant {
  /** Which login, a dot, and which of its refreshes. */
  version: string;
  /** When to refresh, and until when it is good; on the wall clock, which tabs share. */
  due: number;
  access_token?: string;
  refresh_token?: string;
}

/**
 * What tabs tell each other: `grant` replaces the login of `version`; `out`: that login has ended;
 * else it is new. Storage of one tab shows in another a moment later, after the news of it even.
 */
type News = { version: string | undefined; out?: boolean; user?: string | undefined; grant?: Grant | undefined };

/** What is left of `left` seconds after a wait; 0 where that is too long. */
const less = (left: number, wait = Infinity): number => Math.max(0, left - wait - 0.1);
/** In milliseconds, and a little more: all who were turned away would come back together. */
const spread = (wait: number): number => (wait + 0.1 + Math.random() * 0.2) * 1000;

const word = (): string => Math.random().toString(36).slice(2);
const loginOf = (version: string): string | undefined => version.split(".")[0];

/** Longer without an answer than this, and it counts as lost; a password may have to wait for others to be hashed. */
const LOST_AFTER = 35_000;
const REFRESH_LOST_AFTER = 10_000;

export function createClient(options: ClientOptions): Client {
  const { mode = "cookie", storage = "memory", patience = 30 } = options;
  const platform: Platform = { ...here(), ...options.platform };
  const base = options.baseUrl.replace(/\/+$/, "");
  const name = `countersign ${base}`;
  const listeners = new Set<(user: User | null | undefined) => void>();
  let user: User | null | undefined;
  let closed = false;
  /** Counts logins and logouts: what was asked before one of them says nothing afterwards. */
  let epoch = 0;

  const page = () => globalThis.location?.href;
  const urlOf = (path: string | URL) => new URL(path, page());
  const own = (path: string) => urlOf(base + path);
  const allowed = (url: URL) =>
    [page(), own(""), ...(options.origins ?? [])].some((known) => known && new URL(known).origin === url.origin);

  // ---- what is kept, and shared ----

  const where = mode === "token" ? storage : mode === "cookie" ? "localStorage" : "memory";
  const kept = where === "memory" ? undefined : platform[where];
  const shared = where === "localStorage" && kept;
  const key = mode === "token" ? "jwt" : name;
  let memory: Grant | undefined;

  function read(): Grant | undefined {
    if (kept) {
      const text = attempt(() => kept.getItem(key));
      if (text !== undefined) return attempt(() => JSON.parse(text || "null")) ?? undefined;
    }
    return memory;
  }

  function write(grant: Grant | undefined): void {
    memory = grant;
    attempt(() => (grant ? kept?.setItem(key, JSON.stringify(grant)) : kept?.removeItem(key)));
  }

  const locked = lock(name, platform, where !== "memory", kept);
  const tabs = channel<News>(name, platform, async ({ version, out, user: who, grant }) => {
    if (grant) {
      // This tab was duplicated, and the other has just traded the tokens that both have.
      if (read()?.version === version) write(grant);
    } else if (where !== "localStorage" && mode === "token") {
      // A login of its own, but the same person has left.
      if (out && user && who === user.id) await logout(undefined, true);
    } else if (out) {
      const mine = shared && read()?.version;
      // Nothing is removed from storage here: that was done, and there may be another login by now.
      if (!mine || mine === version) forget(true);
      else await load();
    } else {
      if (shared) await settled(() => read()?.version === version);
      await load();
    }
  });

  /** Takes an answer: a new login, or more of the one under `version`. */
  function keep(answer: LoginAnswer, version = word()): void {
    const ms = answer.expires_in * 1000;
    const grant: Grant = {
      version: `${loginOf(version)}.${word()}`,
      // Half a minute early, or a tenth of a short life: a request must not arrive with what expired under way.
      due: Date.now() + ms - Math.min(30_000, ms / 10),
    };
    if ("access_token" in answer) {
      grant.access_token = answer.access_token;
      grant.refresh_token = answer.refresh_token;
    }
    write(grant);
  }

  function set(next: User | null): void {
    if (JSON.stringify(next) === JSON.stringify(user)) return;
    user = next;
    for (const listener of [...listeners]) listener(user);
  }

  /** Signed out; with `here` only as far as this tab goes. */
  function forget(here?: boolean): void {
    epoch++;
    if (here) memory = undefined;
    else write(undefined);
    set(null);
  }

  // ---- exchanges with Countersign itself ----

  /** One request as it stands: no refresh, no waiting. Rejects with CountersignError. */
  async function post(path: string, body: object, headers: Record<string, string> = {}, lost = LOST_AFTER): Promise<any> {
    const response = await platform
      .fetch(own(path), {
        method: "POST",
        headers: { ...headers, "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: mode === "token" ? "same-origin" : "include",
        signal: AbortSignal.timeout(lost),
      })
      .catch((why) => Promise.reject(unreachable(why)));
    if (!response.ok) throw await refusal(response);
    return response.status === 204 ? undefined : response.json().catch((why) => Promise.reject(unreachable(why)));
  }

  /** Waits while the server says 503 with `Retry-After`. */
  async function patiently<T>(act: () => Promise<T>): Promise<T> {
    for (let left = patience; ; ) {
      try {
        return await act();
      } catch (why) {
        const { status, retryAfter } = why as CountersignError;
        if (status !== 503 || !(left = less(left, retryAfter))) throw why;
        await sleep(spread(retryAfter!));
      }
    }
  }

  /** A change of the login with the login: alone among all tabs, so that no refresh crosses it. */
  async function change(path: string, body: object, done: (answer: any) => void): Promise<void> {
    for (let again = true; ; again = false) {
      const pass = (await ticket(own(path)))!;
      try {
        return await patiently(() => locked(async () => done(await post(path, body, pass.headers))));
      } catch (why) {
        const { status, code } = why as CountersignError;
        if (!again || status !== 401 || !(await renew(pass, code))) throw why;
      }
    }
  }

  /** Whether what is kept now is still that login: nothing that one person asked for is repeated as another. */
  function sameLogin(version: string | undefined): boolean {
    const now = read()?.version;
    return now !== undefined && (version === undefined || loginOf(now) === loginOf(version));
  }

  let refreshing: Promise<boolean> | undefined;

  /** The login of this version is no good any more: gets the next, or finds out that there is none. */
  function refresh(version: string | undefined): Promise<boolean> {
    refreshing ??= locked(async (waited) => {
      // Whoever was waited for has probably refreshed.
      if (waited) await settled(() => read()?.version !== version);
      const grant = read();
      // Another tab was here first.
      if (grant?.version !== version) return sameLogin(version);
      if (mode === "token" && !grant) return false;
      const trade = () => post("/refresh", { refresh_token: grant?.refresh_token }, {}, REFRESH_LOST_AFTER);
      try {
        // No answer: it may have been lost where the refresh was not. The same token, at once.
        keep(await trade().catch((why) => (why.status ? Promise.reject(why) : trade())), version);
      } catch (why) {
        if ((why as CountersignError).status !== 401) throw why;
        if (read()?.version !== version) return sameLogin(version);
        forget();
        if (where === "localStorage") tabs.tell({ version, out: true });
        return false;
      }
      if (where === "sessionStorage") tabs.tell({ version, grant: read() });
      return true;
    }).finally(() => (refreshing = undefined));
    return refreshing;
  }

  async function renew({ version }: Ticket, code?: string): Promise<boolean> {
    // About a password that was typed, not about the login.
    if (code === "invalid_credentials") return false;
    if (mode === "session") {
      await load();
      return false;
    }
    const renewed = await patiently(() => refresh(version));
    // Roles or names have changed.
    if (renewed && code === "token_superseded") void load().catch(() => {});
    return renewed;
  }

  async function ticket(to: string | URL): Promise<Ticket | undefined> {
    if (!allowed(urlOf(to))) return undefined;
    let grant = read();
    if (grant && Date.now() >= grant.due) {
      // No success is no reason to stop: it may still be good, and otherwise there will be a 401.
      await refresh(grant.version).catch(() => {});
      grant = read();
    }
    const headers: Record<string, string> = grant?.access_token ? { Authorization: `Bearer ${grant.access_token}` } : {};
    return { headers, cookies: mode !== "token", version: grant?.version };
  }

  async function send(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
    const request = input instanceof Request ? input : undefined;
    const url = urlOf(request ? request.url : (input as string | URL));
    const headers = new Headers(init.headers ?? request?.headers);
    if (headers.has("Authorization") || !allowed(url)) return platform.fetch(input, init);
    const once = init.body instanceof ReadableStream;
    const began = epoch;
    let left = patience;
    for (let renewed = false; ; ) {
      const pass = (await ticket(url))!;
      for (const [name, value] of Object.entries(pass.headers)) headers.set(name, value);
      const credentials = init.credentials ?? (pass.cookies ? "include" : undefined);
      const response = await platform.fetch(request ? request.clone() : input, { ...init, headers, ...(credentials && { credentials }) });
      const wait = retryAfter(response.headers.get("Retry-After"));
      if (response.status === 503 && !once && (left = less(left, wait))) {
        await sleep(spread(wait!), init.signal ?? request?.signal);
      } else if (response.status === 401 && !renewed) {
        renewed = true;
        const { code } = await refusal(response.clone());
        if (url.href.startsWith(own("/").href) && (mode === "session" ? code !== "invalid_credentials" : code === "token_missing")) {
          // Countersign saw no login of ours: nothing to refresh.
          if (began === epoch) forget();
          return response;
        }
        if (!(await renew(pass, code)) || once) return response;
      } else {
        return response;
      }
      void response.body?.cancel();
    }
  }

  async function call<T>(path: string, method = "GET", body?: object): Promise<T> {
    const response = await send(own(path), {
      method,
      ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    }).catch((why) => Promise.reject(why instanceof CountersignError ? why : unreachable(why)));
    if (!response.ok) throw await refusal(response);
    return response.status === 204 ? (undefined as T) : response.json();
  }

  /** Finds out who is signed in. Rejects, and changes nothing, where that cannot be known. */
  async function load(): Promise<User | null> {
    const latest = ++epoch;
    let found: User | null = null;
    if (mode !== "token" || read()) {
      found = await call<User>("/profile").catch((why) => (why.status === 401 ? null : Promise.reject(why)));
    }
    if (latest === epoch) set(found);
    return found;
  }

  let first: Promise<User | null> | undefined;

  async function untilKnown(): Promise<User | null> {
    for (let pause = 1; !closed && user === undefined; pause = Math.min(pause * 2, 30)) {
      try {
        await load();
      } catch (why) {
        await Promise.race([
          sleep(Math.max((why as CountersignError).retryAfter ?? 0, pause) * 1000),
          new Promise((online) => globalThis.addEventListener?.("online", online, { once: true })),
        ]);
      }
    }
    return user ?? null;
  }

  function left(quietly?: boolean): void {
    const news = { version: read()?.version, out: true, user: user?.id };
    forget();
    if (!quietly) tabs.tell(news);
  }

  async function logout(options?: { all?: boolean }, quietly?: boolean): Promise<void> {
    const { all } = options ?? {};
    const done = () => left(quietly);
    try {
      if (all) return await change("/logout", { all }, done);
      await patiently(() => locked(() => post("/logout", { refresh_token: read()?.refresh_token }).then(done)));
    } catch (why) {
      // There was nothing left to end.
      if ((why as CountersignError).status !== 401) throw why;
      done();
    }
  }

  function subscribe(listener: (user: User | null | undefined) => void): () => void {
    listeners.add(listener);
    first ??= untilKnown();
    return () => void listeners.delete(listener);
  }

  return {
    async register(account) {
      const answer: Registered = await patiently(() => post("/register", account));
      return answer.user;
    },
    async login(credentials) {
      await patiently(() =>
        locked(async () => {
          const answer = await post("/login", { ...credentials, mode });
          epoch++;
          keep(answer);
        }),
      );
      tabs.tell({ version: read()?.version });
      const signedIn = await load();
      if (!signedIn) throw new CountersignError(401, "token_revoked", "The login has ended already");
      return signedIn;
    },
    logout: (options) => logout(options),
    fetch: send,
    async profile() {
      const began = epoch;
      const found = await call<User>("/profile");
      if (began === epoch) set(found);
      return found;
    },
    async updateProfile(change) {
      const changed = await call<User>("/profile", "PATCH", change);
      set(changed);
      return changed;
    },
    changePassword: (body) => change("/password", body, (answer) => keep(answer, read()?.version)),
    deleteAccount: (proof) => change("/profile/delete", proof, () => left()),
    sessions: async () => (await call<Sessions>("/sessions")).sessions,
    endSession: (id) => call(`/sessions/${encodeURIComponent(id)}`, "DELETE"),
    get ready() {
      return (first ??= untilKnown());
    },
    get user() {
      return user;
    },
    subscribe,
    ticket,
    renew,
    close() {
      closed = true;
      listeners.clear();
      tabs.close();
    },
  };
}
