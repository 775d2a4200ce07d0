import type { ErrorBody } from "./api.js";

/** A refusal, or no answer at all. Programs match on `code`; `message` is for people. */
export class CountersignError extends Error {
  override readonly name = "CountersignError";

  constructor(
    /** The HTTP status; 0 where no answer came. */
    readonly status: number,
    /** One of the documented codes, or `unreachable` where no answer came. */
    readonly code: string,
    message: string,
    /** What is wrong with each field. */
    readonly fields?: Record<string, string>,
    /** For how many seconds to wait (429 and 503). */
    readonly retryAfter?: number,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

/** What `Retry-After` says, in seconds: a number, or a date (RFC 9110, section 10.2.3). */
export function retryAfter(value: string | null | undefined): number | undefined {
  if (!value) return undefined;
  const seconds = Number(value);
  if (seconds >= 0) return seconds;
  const date = Date.parse(value);
  return date ? Math.max(0, (date - Date.now()) / 1000) : undefined;
}

/** The error in an answer, whoever it came from. */
export async function refusal(response: Response): Promise<CountersignError> {
  const body: Partial<ErrorBody> = (await response.json().catch(() => null)) ?? {};
  return new CountersignError(
    response.status,
    body.code ?? "unknown",
    body.message ?? `HTTP ${response.status}`,
    body.fields ?? undefined,
    retryAfter(response.headers.get("Retry-After")),
  );
}

/** For an exchange to which no answer came: the network, or nobody there. */
export const unreachable = (cause: unknown): CountersignError =>
  new CountersignError(0, "unreachable", "The server cannot be reached", undefined, undefined, cause);
