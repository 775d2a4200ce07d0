/** What a client needs from where it runs. Browsers have it all; the rest is for other places and tests. */
export interface Platform {
  /** Default: the global one. In Node, cookie mode needs one with a cookie jar. */
  fetch: typeof fetch;
  /** What the tabs of an origin share. */
  localStorage?: Store;
  /** What a tab keeps over a reload. */
  sessionStorage?: Store;
  /** The Web Locks of the origin. */
  locks?: Pick<LockManager, "request">;
  /** How tabs hear of each other. */
  BroadcastChannel?: typeof BroadcastChannel;
}

/** The part of the Web Storage API that is used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** What this place has. Storage that the visitor has forbidden throws when it is looked at. */
export function here(): Platform {
  const web = typeof window === "undefined" ? undefined : window;
  return {
    fetch: (...args) => fetch(...args),
    localStorage: attempt(() => web?.localStorage),
    sessionStorage: attempt(() => web?.sessionStorage),
    locks: globalThis.navigator?.locks,
    BroadcastChannel: globalThis.BroadcastChannel,
  };
}

export function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

export const sleep = (ms: number, signal?: AbortSignal | null): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = () => (clearTimeout(timer), reject(signal!.reason));
    const timer = setTimeout(() => (signal?.removeEventListener("abort", stop), resolve()), ms);
    signal?.addEventListener("abort", stop, { once: true });
  });

/** Waits until it holds, a tenth of a second at most. */
export async function settled(holds: () => boolean): Promise<void> {
  for (let tries = 0; tries < 10 && !holds(); tries++) await sleep(10);
}

/** An act, which is told whether it had to wait for another tab's. */
type Act<T> = (waited: boolean) => Promise<T>;

/** One at a time within this tab. */
function queue(): <T>(act: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (act) => {
    const mine = last.then(act);
    last = mine.catch(() => {});
    return mine;
  };
}

/**
 * Runs acts one at a time: across all tabs by Web Locks, or by a mark in `store` where there are none
 * (pages without https). The mark cannot be perfect, and need not be: the server answers two
 * refreshes at once with the same successor.
 */
export function lock(name: string, platform: Platform, across: boolean, store?: Store): <T>(act: Act<T>) => Promise<T> {
  const { locks } = platform;
  const inTurn = queue();
  if (across && locks) {
    return (act) =>
      inTurn(async () => {
        const [free, done] = await locks.request(name, { ifAvailable: true }, async (lock) => [lock, lock && (await act(false))] as const);
        return free ? done! : locks.request(name, () => act(true));
      });
  }
  if (!across || !store) return (act) => inTurn(() => act(false));
  const key = `${name} lock`;
  const held = () => attempt(() => store.getItem(key)) ?? "";
  return (act) =>
    inTurn(async () => {
      const mine = Math.random().toString(36);
      // A mark is good for 12 s: a tab that was closed meanwhile must not stop the others.
      const taken = () => Number(held().split(" ")[1]) > Date.now();
      let waited = false;
      for (let tries = 0; held().split(" ")[0] !== mine && tries < 400; tries++) {
        if (taken()) waited = true;
        else attempt(() => store.setItem(key, `${mine} ${Date.now() + 12_000}`));
        await sleep(20 + Math.random() * 20);
      }
      try {
        return await act(waited);
      } finally {
        if (held().split(" ")[0] === mine) attempt(() => store.removeItem(key));
      }
    });
}

/** Tells the other tabs, and hears them: by BroadcastChannel, or by what happens to storage. */
export function channel<M>(name: string, platform: Platform, hear: (message: M) => Promise<void>): { tell(message: M): void; close(): void } {
  if (platform.BroadcastChannel) {
    const channel = new platform.BroadcastChannel(name);
    channel.onmessage = (event: MessageEvent<M>) => void hear(event.data).catch(() => {});
    // In Node, hearing others is no reason to stay.
    (channel as { unref?(): void }).unref?.();
    return { tell: (message) => channel.postMessage(message), close: () => channel.close() };
  }
  const key = `${name} news`;
  const store = platform.localStorage;
  const heard = (event: StorageEvent) => {
    if (event.key === key && event.newValue) hear(JSON.parse(event.newValue)[0]).catch(() => {});
  };
  globalThis.addEventListener?.("storage", heard);
  return {
    // With a random word, since the same text twice is no event; and gone at once.
    tell: (message) =>
      attempt(() => {
        store?.setItem(key, JSON.stringify([message, Math.random()]));
        store?.removeItem(key);
      }),
    close: () => globalThis.removeEventListener?.("storage", heard),
  };
}
