import { sound, type Claims } from "./claims.js";
import { clock, clockOf } from "./clock.js";
import { Follower, POLICIES, type Policy } from "./follower.js";
import { subjects } from "./floors.js";
import { keyOfSecret, type Key } from "./keys.js";
import { Refused, Stale } from "./refusal.js";

export interface VerifierOptions {
  /** Where the issuer is. What its tokens have as `iss` is discovered there. */
  issuer: string;
  /** Of a service (`countersign client add NAME --kind service`): needed unless the issuer listens on loopback only. */
  credentials?: { id: string; secret: string };
  /** What `aud` of a token must contain. Default `countersign`. */
  audience?: string;
  /**
   * For how long to go on without word from the issuer: `strict` 3 s, `bounded` 30 s (the default),
   * `lenient` until the tokens expire. Afterwards every check is {@link Stale}.
   */
  policy?: Policy;
  /** The shared secret of an issuer that signs with HS256 (its `JWT_SECRET_KEY`). */
  secret?: string;
  /** Seconds of grace for `exp`, `nbf` and `iat`, at most 30 (the default). */
  leeway?: number;
  /** A log with more subjects is not followed any further: better stale than out of memory. Default 2,000,000. */
  maxFloors?: number;
  /** How many verified signatures to remember. Times and floors are judged at every use. Default 10,000. */
  memo?: number;
  /** Hears when the issuer is lost and found. Default `console.warn`. */
  log?: (message: string) => void;
  /** A count of seconds, in the place of the machine's, for tests. */
  monotonic?: () => number;
}

/** What a verifier knows, for metrics. */
export interface Status {
  /** The position in the log. */
  seq: number;
  /** Subjects that have a floor. */
  floors: number;
  /** Seconds since the last answered question was sent; nothing before the first. */
  age: number | undefined;
  /** Whether checks are answered, rather than refused as {@link Stale}. */
  fresh: boolean;
}

export interface Verifier {
  /** Settles once the whole log was read; until then every check is {@link Stale}. */
  readonly ready: Promise<void>;
  /** The claims of a token that is good now. Rejects with {@link Refused} or {@link Stale}. */
  verify(token: string): Promise<Claims>;
  /**
   * Settles when the token is good no longer, with why: for what outlives its request, such as a
   * WebSocket. Rejects with the reason of `signal`, once nobody wants to know any more.
   */
  ended(token: string, signal?: AbortSignal): Promise<Refused | Stale>;
  status(): Status;
  /** Stops following, so that the process can end. */
  close(): void;
}

/** What an issuer makes is below 1 KiB. */
const LONGEST_TOKEN = 8192;

interface Examined {
  readonly key: Key;
  readonly kid: string;
  readonly claims: Claims;
  readonly subjects: readonly string[];
}

/** Checks access tokens without a request to anybody, and honours a logout within milliseconds. */
export function createVerifier(options: VerifierOptions): Verifier {
  const follower = followerOf(options);
  void follower.run();
  return verifierOn(follower, options);
}

/** @internal Without following, for tests that ask by themselves. */
export function followerOf({ issuer, credentials, policy = "bounded", maxFloors = 2_000_000, monotonic, log = console.warn }: VerifierOptions): Follower {
  if (!Object.hasOwn(POLICIES, policy)) throw new TypeError(`policy is one of ${Object.keys(POLICIES).join(", ")}`);
  return new Follower({ issuer, credentials, policy, maxFloors, log, clock: monotonic ? clockOf(monotonic) : clock });
}

/** @internal */
export function verifierOn(follower: Follower, { audience = "countersign", secret, leeway = 30, memo = 10_000 }: VerifierOptions): Verifier {
  // A floor is kept for the life of a token and a minute more.
  if (!(leeway >= 0 && leeway <= 30)) throw new TypeError("leeway is 0 to 30 seconds");
  const shared = secret === undefined ? undefined : keyOfSecret(secret);
  /** These very bytes were verified under this key, and no more than that. */
  const verified = new Map<string, Examined>();

  async function examine(token: string): Promise<Examined> {
    const [head, body, tail, ...more] = token.length > LONGEST_TOKEN ? [] : token.split(".");
    if (head === undefined || body === undefined || tail === undefined || more.length) throw new Refused("token_malformed");
    const header = parse(head);
    const signature = decode(tail);
    if (typeof header !== "object" || header === null) throw new Refused("token_malformed");
    const { alg, kid, typ, ...others } = header as Record<string, unknown>;
    // Such as `jku`, `x5u`, `jwk` and `crit`: nobody but the issuer says where keys are.
    if (Object.keys(others).length) throw new Refused("token_signature_invalid");
    const key = shared ?? (typeof kid === "string" ? await follower.key(kid) : undefined);
    if (!key || alg !== key.alg || !key.holds(Buffer.from(`${head}.${body}`), signature)) throw new Refused("token_signature_invalid");
    const claims = sound(parse(body));
    if (typ !== "at+jwt" && typ !== "application/at+jwt") throw new Refused("token_wrong_type");
    return { key, kid: String(kid), claims, subjects: subjects(claims) };
  }

  function remember(token: string, examined: Examined): void {
    if (verified.size >= memo) {
      // The oldest tenth at once: one by one, a map would be walked over what was deleted.
      let drop = Math.ceil(memo / 10);
      for (const old of verified.keys()) if (drop-- > 0) verified.delete(old);
        else break;
    }
    if (memo > 0) verified.set(token, examined);
  }

  /** On the issuer's clock: this machine's wall clock is never looked at. */
  function checkTimes({ iat, nbf, exp }: Claims): void {
    const now = follower.now();
    if (nbf > now + leeway) throw new Refused("token_not_yet_valid");
    // One that lives longer than any, or comes from the future, could outlive its own revocation.
    if (exp <= now - leeway || exp - iat > follower.life || iat > now + leeway) throw new Refused("token_expired");
  }

  function floorOf({ claims, subjects }: Examined): ReturnType<typeof follower.floors.judge> {
    if (!follower.fresh) throw new Stale("the revocation log cannot be followed");
    return follower.floors.judge(subjects, claims.rev);
  }

  async function judge(examined: Examined): Promise<Claims> {
    const { claims } = examined;
    if ((claims.type as string) !== "access") throw new Refused("token_wrong_type");
    if (follower.issuer === undefined) throw new Stale("the issuer has not been reached yet");
    if (claims.iss !== follower.issuer) throw new Refused("token_wrong_issuer");
    if (!([claims.aud].flat() as string[]).includes(audience)) throw new Refused("token_wrong_audience");
    checkTimes(claims);
    let verdict = floorOf(examined);
    if (verdict === "ahead") {
      await follower.catchUp(claims.rev);
      // Meanwhile a key may have been revoked, and a floor forgotten once its tokens had expired.
      if (!holdsStill(examined)) throw new Refused("token_signature_invalid");
      checkTimes(claims);
      verdict = floorOf(examined);
    }
    if (verdict) throw new Refused(verdict === "superseded" ? "token_superseded" : "token_revoked");
    return claims;
  }

  const holdsStill = ({ key, kid }: Examined) => key === (shared ?? follower.keys.get(kid));

  async function verify(token: string): Promise<Claims> {
    let examined = verified.get(token);
    if (!examined || !holdsStill(examined)) {
      examined = await examine(token);
      remember(token, examined);
    }
    return judge(examined);
  }

  /** A second, or until the follower knows more: time alone ends tokens and leases, too. */
  function news(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void) => {
        clearTimeout(timer);
        unhear();
        signal?.removeEventListener("abort", stop);
        settle();
      };
      const stop = () => done(() => reject(signal!.reason));
      const timer = setTimeout(() => done(resolve), 1000);
      const unhear = follower.onChange(() => done(resolve));
      signal?.addEventListener("abort", stop);
    });
  }

  async function ended(token: string, signal?: AbortSignal): Promise<Refused | Stale> {
    for (;;) {
      signal?.throwIfAborted();
      try {
        await verify(token);
      } catch (why) {
        if (why instanceof Refused || why instanceof Stale) return why;
        throw why;
      }
      await news(signal);
    }
  }

  return {
    ready: follower.ready,
    verify,
    ended,
    status: () => ({ seq: follower.floors.seq, floors: follower.floors.size, age: follower.age, fresh: follower.fresh }),
    close: () => follower.close(),
  };
}

/** Base64url as it must be (RFC 7515, section 2): no padding, no other characters, no bits left over. */
function decode(text: string): Buffer {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.toString("base64url") !== text) throw new Refused("token_malformed");
  return bytes;
}

function parse(text: string): unknown {
  const bytes = decode(text);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new Refused("token_malformed");
  }
}
