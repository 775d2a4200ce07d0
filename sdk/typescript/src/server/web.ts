// Express and Fastify, by what their requests and answers look like; neither is imported.

import type { IncomingHttpHeaders } from "node:http";

import type { Claims } from "./claims.js";
import { Refused, Stale } from "./refusal.js";
import type { Verifier } from "./verifier.js";

declare global {
  // eslint-disable-next-line @typescript-eslint/no-namespace
  namespace Express {
    interface Request {
      /** Who sent the request. */
      claims?: Claims;
    }
  }
}

export interface Demands {
  /** Only users with this role; others get 403. */
  role?: string;
  /** Only a token straight from a password; others get 401 `fresh_login_required`. */
  fresh?: boolean;
  /** Strangers may pass, without claims. A bad token is refused even so. */
  optional?: boolean;
  /** The cookie with the token; `__Host-token` unless the issuer has another prefix. `false`: take none. */
  cookie?: string | false;
  /**
   * Origins other than the service's own from which a request that rides on the cookie may change
   * something. Name its own too, for browsers so old that they do not send `Sec-Fetch-Site`.
   */
  origins?: readonly string[];
}

interface RequestLike {
  method?: string;
  headers: IncomingHttpHeaders;
  headersDistinct?: NodeJS.Dict<string[]>;
}

interface AnswerLike {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
}

interface Reply {
  code(status: number): unknown;
  headers(headers: Record<string, string>): unknown;
  send(body: string): unknown;
}

/** Why a request is not let in, as Countersign itself would answer. */
class Denied extends Error {
  constructor(
    readonly status: 401 | 403 | 503,
    readonly code: string,
    message: string,
    readonly challenge?: string,
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  headers(): Record<string, string> {
    const headers: Record<string, string> = { "Content-Type": "application/json", "Cache-Control": "no-store" };
    if (this.status === 401) {
      const error = this.challenge && `, error="${this.challenge}", error_description="${this.message}"`;
      headers["WWW-Authenticate"] = `Bearer realm="countersign"${error ?? ""}`;
    }
    if (this.retryAfter !== undefined) headers["Retry-After"] = String(Math.max(1, Math.ceil(this.retryAfter)));
    return headers;
  }

  body(): string {
    return JSON.stringify({ code: this.code, message: this.message });
  }
}

const malformed = () => new Refused("token_malformed");
const crossSite = () => new Denied(403, "cross_site_request", "The request comes from another site");

/** Every value of a header: one that was sent twice must not be taken for one. */
const all = (request: RequestLike, name: string): string[] =>
  request.headersDistinct?.[name] ?? ([request.headers[name] ?? []].flat() as string[]);

/** Another scheme than `Bearer` is somebody else's, such as a proxy's Basic login. */
function bearer(request: RequestLike): string | undefined {
  const [value, second] = all(request, "authorization");
  if (second !== undefined) throw malformed();
  if (value === undefined) return undefined;
  const [scheme = "", token, ...more] = value.trim().split(/ +/);
  if (scheme.toLowerCase() !== "bearer") {
    if (/^[\w!#$%&'*+.^`|~-]+$/.test(scheme)) return undefined;
    throw malformed();
  }
  if (!token || more.length) throw malformed();
  return token;
}

/** The cookie of that name. A second one was put there by somebody else, so neither counts. */
function cookie(request: RequestLike, name: string): string | undefined {
  const pairs = all(request, "cookie").flatMap((line) => line.split(";"));
  const found = pairs.map((pair) => pair.trim()).filter((pair) => pair.startsWith(`${name}=`));
  if (found.length > 1) throw malformed();
  return found[0]?.slice(name.length + 1) || undefined;
}

/** The cross-site rule. Without either header it is no browser, and carries no visitor's cookies. */
function checkSite(request: RequestLike, origins: readonly string[]): void {
  const [origin, secondOrigin] = all(request, "origin");
  const [site, secondSite] = all(request, "sec-fetch-site");
  if (secondOrigin !== undefined || secondSite !== undefined) throw crossSite();
  if (origin !== undefined && origins.includes(origin)) return;
  if (site === undefined ? origin !== undefined : site !== "same-origin" && site !== "none") throw crossSite();
}

/** Who sent the request. What is found first decides: a bad token is not skipped for a better one. */
async function identify(verifier: Verifier, request: RequestLike, demands: Demands): Promise<Claims | undefined> {
  const { role, fresh, optional, cookie: name = "__Host-token", origins = [] } = demands;
  let token = bearer(request);
  if (token === undefined && name) {
    token = cookie(request, name);
    if (token !== undefined && !/^(GET|HEAD|OPTIONS)$/.test(request.method ?? "")) checkSite(request, origins);
  }
  if (token === undefined) {
    if (optional) return undefined;
    throw new Denied(401, "token_missing", "Missing credentials");
  }
  const claims = await verifier.verify(token);
  if (fresh && !claims.fresh) {
    throw new Denied(401, "fresh_login_required", "Sign in again to do this", "insufficient_user_authentication");
  }
  if (role !== undefined && !claims.roles.includes(role)) throw new Denied(403, "forbidden", "This account may not do that");
  return claims;
}

function denial(why: unknown): Denied {
  if (why instanceof Refused) return new Denied(401, why.code, why.message, "invalid_token");
  if (why instanceof Stale) return new Denied(503, "unavailable", "Logins cannot be checked at the moment", undefined, why.retryAfter);
  if (why instanceof Denied) return why;
  throw why;
}

/** A middleware of Express (or of Node's own server) that sets `req.claims`, or answers 401, 403 or 503. */
export function express(verifier: Verifier, demands: Demands = {}) {
  return (request: RequestLike & { claims?: Claims }, response: AnswerLike, next: (error?: unknown) => void): void => {
    identify(verifier, request, demands)
      .then(
        (claims) => {
          request.claims = claims;
          return undefined;
        },
        (why) => denial(why),
      )
      .then((denied) => {
        if (!denied) return next();
        response.writeHead(denied.status, denied.headers());
        response.end(denied.body());
      })
      .catch(next);
  };
}

/** A hook of Fastify (`onRequest` or `preHandler`) that sets `request.claims`, or answers 401, 403 or 503. */
export function fastify(verifier: Verifier, demands: Demands = {}) {
  return async (request: { raw: RequestLike; claims?: Claims }, reply: Reply): Promise<void> => {
    try {
      request.claims = await identify(verifier, request.raw, demands);
    } catch (why) {
      const denied = denial(why);
      reply.code(denied.status);
      reply.headers(denied.headers());
      // Fastify goes no further once an answer was sent.
      reply.send(denied.body());
    }
  };
}
