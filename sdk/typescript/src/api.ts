// Made by scripts/api.mjs from docs/reference/openapi.json: `npm run api` renews it.

/** An access token, and nothing else. */
export type AccessToken = {
  /** A JWT for the `Authorization: Bearer` header. */
  access_token: string;
};

/** What an active token says, with the user's names as they are now. */
export type Active = {
  /** True. */
  active: boolean;
  /** Whom it is for. */
  aud: string[];
  /** The client that asked for it. */
  client_id: string;
  /** When it expires, in Unix seconds. */
  exp: number;
  /** Whether it comes straight from a password. */
  fresh: boolean;
  /** When it was made. */
  iat: number;
  /** Who issued it. */
  iss: string;
  /** The token's own id. */
  jti: string;
  /** From when on it holds. */
  nbf: number;
  /** What the user may do. */
  roles: string[];
  /** What the client may do, as words between spaces; absent from tokens of `/login`. */
  scope?: string | null;
  /** The session. */
  sid: string;
  /** The user, by an id that never changes hands. */
  sub: string;
  /** `Bearer`. */
  token_type: string;
  /** What to call the user. */
  username: string;
};

/** A user as administrators see them. */
export type AdminUser = User & {
  /** Whether sign-in is refused. */
  disabled: boolean;
};

/** A page of the audit log. */
export type AuditPage = {
  /** Latest first. */
  events: Event[];
  /** The `cursor` of the next page, if there may be one. */
  next?: string | null;
};

/** What to change about an account; what is left out stays. */
export type ChangeUserBody = {
  /** Whether sign-in is refused. Disabling ends every session at once. */
  disabled?: boolean | null;
  /** A new e-mail address. */
  email?: string | null;
  /** The roles, all of them. */
  roles?: string[] | null;
  /** A new username. */
  username?: string | null;
};

/** A program that holds or checks tokens. */
export type Client = {
  /** Unix seconds. */
  created_at: number;
  /** Its id in tokens and its user name in HTTP Basic. */
  id: string;
  /** `first_party` or `service`. */
  kind: string;
  /** What people call it. */
  name: string;
};

/** The clients. */
export type ClientList = {
  /** By id. */
  clients: Client[];
};

/** A login that the browser holds in cookies. */
export type CookieAnswer = {
  /** How long until the login must be refreshed (cookie) or ends unused (session), in seconds. */
  expires_in: number;
  /** For a person. */
  message: string;
};

/** The password once more. */
export type DeleteBody = {
  /** The present password. */
  password: string;
};

/** An error as clients read it. */
export type ErrorBody = {
  /** A stable code: programs match on this. */
  code: string;
  /** What is wrong with each field, where a rule about fields was broken. */
  fields?: Record<string, string> | null;
  /** What is wrong, for a person. May change. */
  message: string;
};

/** Something that happened. */
export type Event = {
  /** Who: a user's id, `cli` or `system`. */
  actor: string;
  /** From which address. */
  address?: string | null;
  /** When, in unix seconds. */
  at: number;
  /** Through which client. */
  client?: string | null;
  /** What else. */
  data?: unknown;
  /** What, as a stable word. */
  kind: string;
  /** Its place in the order of commits. */
  seq: number;
  /** On which session. */
  session?: string | null;
  /** To which user. */
  subject?: string | null;
};

/** How the server is. */
export type Health = {
  /** `ok`. */
  status: string;
};

/** Nothing that a service should take for a login. */
export type Inactive = {
  /** False. */
  active: boolean;
};

/** What a service is told about a token (RFC 7662, section 2.2). */
export type Introspection = Inactive | Active;

/** A signing key, without its private part. */
export type Key = {
  /** What it signs with. */
  alg: string;
  /** Unix seconds. */
  created_at: number;
  /** Names the key in token headers. */
  kid: string;
  /** `published`, `signing`, `retired`, `expired` or `revoked`. */
  phase: string;
  /** From when on it signs, in unix seconds. */
  signs_from: number;
};

/** The signing keys. */
export type KeyList = {
  /** Oldest first. */
  keys: Key[];
};

/** Who is signed in. */
export type LoggedInAs = {
  /** The username, else the e-mail address. */
  logged_in_as: string;
};

/** The login is over. */
export type LoggedOut = {
  /** For a person. */
  message: string;
  /** With `Prefer: wait=N`: whether every service that follows with credentials refuses the login by now. Left out where several servers share a database. */
  propagated?: boolean | null;
};

/** Either answer to a login; which one follows from the mode. */
export type LoginAnswer = TokenAnswer | CookieAnswer;

/** Who signs in, and how the login is to be held. */
export type LoginBody = {
  /** An e-mail address; a username is taken here too. */
  email?: string | null;
  mode?: ModeWord | null;
  /** The password. */
  password: string;
  /** A username; an e-mail address is taken here too. */
  username?: string | null;
};

/** What to sign out of. */
export type LogoutBody = {
  /** Every login of the user, not this one alone. */
  all?: boolean | null;
  /** A refresh token, where no other credential is at hand. */
  refresh_token?: string | null;
};

/** Metadata of the issuer (RFC 8414). */
export type Metadata = {
  /** None: `/login` is not an OAuth grant. */
  grant_types_supported: string[];
  /** Where services ask about a token (RFC 7662). */
  introspection_endpoint: string;
  /** How they say who they are. */
  introspection_endpoint_auth_methods_supported: string[];
  /** The `iss` of tokens. */
  issuer: string;
  /** Where the public keys are. */
  jwks_uri: string;
  /** None: there is no authorization endpoint. */
  response_types_supported: string[];
  /** Where whoever holds a token takes it back (RFC 7009). */
  revocation_endpoint: string;
  /** Not at all: holding the token is enough. */
  revocation_endpoint_auth_methods_supported: string[];
};

/** How a client wants to hold its login. */
export type ModeWord = "token" | "cookie" | "session";

/** An answer in the dialect. */
export type Msg = {
  /** The text. */
  msg: string;
};

/** A client and its secret, which is shown this once. */
export type NewClient = Client & {
  /** Its password in HTTP Basic. */
  secret: string;
};

/** A new client. */
export type NewClientBody = {
  /** `service`. */
  kind?: string | null;
  /** 1 to 64 lower-case letters, digits and `._-`. */
  name: string;
};

/** An account for somebody else. */
export type NewUserBody = {
  /** An e-mail address. */
  email?: string | null;
  /** 8 characters to 1,024 bytes, not a common one. */
  password: string;
  /** What the user may do. */
  roles?: string[] | null;
  /** 1 to 64 letters, digits and `._-`. */
  username?: string | null;
};

/** A refusal as OAuth 2.0 words it (RFC 6749, section 5.2). */
export type OauthError = {
  /** `invalid_request`, `invalid_client`, `temporarily_unavailable` or `server_error`. */
  error: string;
  /** For a person. May change. */
  error_description: string;
};

/** The present password and the new one. */
export type PasswordBody = {
  /** The present password. */
  current_password: string;
  /** The new one. */
  new_password: string;
};

/** New names, and the password once more. */
export type ProfileBody = {
  /** The present password. */
  current_password: string;
  /** The new e-mail address; left out, it stays. */
  email?: string | null;
  /** The new username; left out, it stays. */
  username?: string | null;
};

/** A refresh token, where it is not in a cookie. */
export type RefreshBody = {
  /** The refresh token of a `token` mode login. */
  refresh_token?: string | null;
};

/** A new account: at least one name, and a password. */
export type RegisterBody = {
  /** An e-mail address. */
  email?: string | null;
  /** 8 characters to 1,024 bytes, not a common one. */
  password: string;
  /** 1 to 64 letters, digits and `._-`. */
  username?: string | null;
};

/** The account that was made. */
export type Registered = {
  /** For a person. */
  message: string;
  /** The account. */
  user: User;
};

/** Which access token to withdraw: one of the two. */
export type RevokeTokenBody = {
  /** Its `jti`, where nobody has the token itself. */
  jti?: string | null;
  /** The token. */
  token?: string | null;
};

/** A login on a device. */
export type Session = {
  /** From where it was made. */
  address: string;
  /** When the person signed in, in unix seconds. */
  created_at: number;
  /** Whether it is the one that asks. */
  current: boolean;
  /** When it ends at the latest, in unix seconds. */
  expires_at: number;
  /** Names the session; the token's `sid`. */
  id: string;
  /** When it was last used, in unix seconds. */
  last_used_at: number;
  /** With which program it was made. */
  user_agent: string;
  /** Whose it is. */
  user_id: string;
};

/** A page of sessions. */
export type SessionPage = {
  /** The `cursor` of the next page, if there may be one. */
  next?: string | null;
  /** Living sessions, oldest first. */
  sessions: Session[];
};

/** A person's devices. */
export type Sessions = {
  /** Living sessions, last used first. */
  sessions: Session[];
};

/** Tokens, for a client that keeps them itself. */
export type TokenAnswer = {
  /** A JWT for the `Authorization: Bearer` header. */
  access_token: string;
  /** How long the access token lives, in seconds. */
  expires_in: number;
  /** How long the refresh token lives if it is not used, in seconds. */
  refresh_expires_in: number;
  /** Traded for fresh tokens at `POST /refresh`, once. */
  refresh_token: string;
  /** Always `Bearer`. */
  token_type: string;
};

/** The token that it is about. A `token_type_hint` may come along; a look at the token says more. */
export type TokenForm = {
  /** The token. */
  token: string;
};

/** A user; never a hash. */
export type User = {
  /** Unix seconds. */
  created_at: number;
  /** The e-mail address, if there is one. */
  email?: string | null;
  /** Whether a mail to that address was answered. */
  email_verified: boolean;
  /** The only thing that identifies: names can change hands. */
  id: string;
  /** What the user may do. */
  roles: string[];
  /** The username, if there is one. */
  username?: string | null;
};

/** A page of users. */
export type UserPage = {
  /** The `cursor` of the next page, if there may be one. */
  next?: string | null;
  /** The users, oldest first. */
  users: AdminUser[];
};

/** Who is signed in. */
export type Welcome = {
  /** The e-mail address, else the username. */
  email: string;
  /** For a person. */
  message: string;
};
