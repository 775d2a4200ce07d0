const MESSAGES = {
  token_malformed: "Token is malformed",
  token_signature_invalid: "Signature verification failed",
  token_wrong_type: "Only access tokens are allowed",
  token_wrong_issuer: "Token is from another issuer",
  token_wrong_audience: "Token is for another audience",
  token_not_yet_valid: "Token is not yet valid",
  token_expired: "Token has expired",
  token_revoked: "Token has been revoked",
  token_superseded: "Token has been superseded, refresh it",
};

export type RefusedCode = keyof typeof MESSAGES;

/** The token is not accepted: answer 401. */
export class Refused extends Error {
  override readonly name = "Refused";

  /** `code` is stable, `message` is for people. */
  constructor(readonly code: RefusedCode) {
    super(MESSAGES[code]);
  }
}

/**
 * Whether the token was revoked cannot be known now: answer 503 with `Retry-After`. Never 401, upon
 * which every client would throw its login away.
 */
export class Stale extends Error {
  override readonly name = "Stale";

  /** `retryAfter` in seconds. */
  constructor(
    why: string,
    readonly retryAfter = 1,
  ) {
    super(why);
  }
}
