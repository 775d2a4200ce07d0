import { SCOPES } from "./floors.js";
import { Refused } from "./refusal.js";

/** What an access token says (RFC 9068, and `sid`, `rev`, `roles`, `fresh`). */
export interface Claims {
  readonly iss: string;
  /** The user's id, and the only claim that identifies: names can change hands. */
  readonly sub: string;
  readonly aud: string | readonly string[];
  readonly client_id: string;
  readonly iat: number;
  readonly nbf: number;
  readonly exp: number;
  readonly jti: string;
  readonly sid: string;
  /** How far the revocation log was when the token was made. */
  readonly rev: number;
  readonly username?: string;
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly roles: readonly string[];
  readonly scope?: string;
  readonly type: "access";
  /** Whether it comes straight from a password. */
  readonly fresh: boolean;
}

const isDate = (value: unknown) => Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 253_402_300_799;
const isId = (value: unknown) => typeof value === "string" && value !== "" && value.isWellFormed();
const areStrings = (value: unknown) => Array.isArray(value) && value.every((one) => typeof one === "string");

/**
 * The claims, if they are those of a token that could be judged: what is missing must not read as
 * innocent. Times and floors are looked at elsewhere.
 */
export function sound(found: unknown): Claims {
  const claims = (typeof found === "object" && found !== null ? found : {}) as Record<string, unknown>;
  const whole = Number.isSafeInteger(claims["rev"]) && (claims["rev"] as number) >= 0;
  const dates = ["iat", "nbf", "exp"].every((name) => isDate(claims[name]));
  const ids = Object.values(SCOPES).every((name) => isId(claims[name]));
  const aud = typeof claims["aud"] === "string" || areStrings(claims["aud"]);
  const roles = claims["roles"] === undefined || areStrings(claims["roles"]);
  if (!(whole && dates && ids && aud && roles && typeof claims["type"] === "string")) throw new Refused("token_malformed");
  // Kept and handed out many times: a program that writes into it would grant to all.
  const shared = { ...claims, roles: Object.freeze(claims["roles"] ?? []), fresh: claims["fresh"] === true };
  return Object.freeze(shared) as unknown as Claims;
}
