// A feed that says what it was told to say, and a clock that is moved by hand.

import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { generateKeyPairSync, sign, type KeyObject } from "node:crypto";

export const NOW = 1_795_220_000;

export type Said = object | [status: number, body: unknown, headers?: Record<string, string>];

export class Feed {
  clock = 1_000;
  /** In turn, the last one for ever. */
  answers: Said[] = [];
  readonly asked: Record<string, string>[] = [];
  readonly headers: IncomingMessage["headers"][] = [];
  jwks: unknown = { keys: [] };
  jwksAsked = 0;
  beforeAnswer: () => unknown = () => {};
  url = "";
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#respond(request).then(([status, body, headers]) => {
        response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
      });
    });
  }

  static async start(): Promise<Feed> {
    const feed = new Feed();
    await new Promise<void>((listening) => feed.#server.listen(0, "127.0.0.1", listening));
    feed.url = `http://127.0.0.1:${(feed.#server.address() as AddressInfo).port}`;
    return feed;
  }

  async #respond(request: IncomingMessage): Promise<[number, unknown, Record<string, string>?]> {
    const { pathname, searchParams } = new URL(request.url!, this.url);
    if (pathname === "/.well-known/jwks.json") {
      this.jwksAsked++;
      return this.jwks === undefined ? [500, {}] : [200, this.jwks];
    }
    if (pathname === "/.well-known/oauth-authorization-server") return [200, { issuer: "https://issuer.example" }];
    this.asked.push(Object.fromEntries(searchParams));
    this.headers.push(request.headers);
    await this.beforeAnswer();
    const said = this.answers.length > 1 ? this.answers.shift()! : this.answers[0]!;
    return Array.isArray(said) ? (said as [number, unknown]) : [200, said];
  }

  says(...answers: Said[]): void {
    this.answers = answers;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

type Entry = [seq: number, scope: string, subject: string, reason: string];

export function answer(seq: number, floors: Entry[] = [], other: object = {}): object {
  const entries = floors.map(([seq, scope, subject, reason]) => ({ seq, scope, subject, reason, exp: NOW + 960 }));
  return { seq, now: NOW, life: 900, keys: 1, more: false, floors: entries, ...other };
}

export const CLAIMS = {
  iss: "https://issuer.example",
  sub: "42",
  aud: ["countersign"],
  client_id: "countersign",
  iat: NOW,
  nbf: NOW,
  exp: NOW + 900,
  jti: "jti-1",
  sid: "sid-1",
  rev: 100,
  type: "access",
  roles: [] as string[],
  fresh: true,
};

export const b64 = (value: unknown): string => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

/** An issuer's key, which signs whatever it is given. */
export class Signer {
  readonly #private: KeyObject;
  readonly jwk: Record<string, unknown>;

  constructor(
    readonly kid = "k1",
    readonly alg: "ES256" | "EdDSA" | "RS256" = "ES256",
    modulusLength = 2048,
  ) {
    const pair =
      alg === "ES256"
        ? generateKeyPairSync("ec", { namedCurve: "P-256" })
        : alg === "EdDSA"
          ? generateKeyPairSync("ed25519")
          : generateKeyPairSync("rsa", { modulusLength });
    this.#private = pair.privateKey;
    this.jwk = { ...pair.publicKey.export({ format: "jwk" }), kid, alg, use: "sig" };
  }

  token(claims: object = {}, header: object = {}): string {
    const head = b64({ alg: this.alg, kid: this.kid, typ: "at+jwt", ...header });
    return this.sign(`${head}.${b64({ ...CLAIMS, ...claims })}`);
  }

  sign(signed: string): string {
    const hash = this.alg === "EdDSA" ? null : "sha256";
    return `${signed}.${sign(hash, Buffer.from(signed), { key: this.#private, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
  }
}
