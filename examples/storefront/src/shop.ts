// What the shop's own API says.
import { useEffect, useState } from "react";
import { CountersignError } from "@countersign/client";

export type Product = { slug: string; name: string; description: string; cents: number; stock: number };

const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });
export const price = (cents: number) => euros.format(cents / 100);

/** An answer that is not the one that was hoped for; `status` 0 where there was none. */
export class Refused extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
  }
}

/** Why something failed, from whatever was thrown. */
export function refusal(error: unknown): Refused {
  if (error instanceof Refused) return error;
  if (error instanceof CountersignError && error.status) return new Refused(error.status, error.code, error.message);
  return new Refused(0, "unreachable", "The shop cannot be reached just now.");
}

/** The body of a good answer; anything else is thrown as `Refused`. */
export async function read<T>(response: Response): Promise<T> {
  const body = response.status === 204 ? undefined : await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  throw new Refused(response.status, body?.code ?? "unknown", body?.message ?? `The answer was ${response.status}.`);
}

type Fetch = (input: string, init?: RequestInit) => Promise<Response>;

/**
 * What stands at a path, asked for again when the path changes and when the network comes back.
 * `undefined` until it is known.
 */
export function useAnswer<T>(path: string, ask: Fetch = fetch): { data?: T; failed?: Refused; again: () => void } {
  const [answer, setAnswer] = useState<{ path: string; data?: T; failed?: Refused }>();
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((turn) => turn + 1);

  useEffect(() => {
    const stop = new AbortController();
    ask(path, { signal: stop.signal })
      .then((response) => read<T>(response))
      .then((data) => setAnswer({ path, data }))
      .catch((error) => stop.signal.aborted || setAnswer({ path, failed: refusal(error) }));
    window.addEventListener("online", again, { signal: stop.signal });
    return () => stop.abort();
  }, [path, ask, turn]);

  // What was found under another path stays until the new answer is there, so that nothing flickers.
  return { data: answer?.data, failed: answer?.failed, again };
}
