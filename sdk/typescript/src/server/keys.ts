// Signatures. The algorithm is the key's, whatever a token's header would like.

import { createHmac, createPublicKey, timingSafeEqual, verify, type KeyObject } from "node:crypto";

export interface Key {
  readonly alg: string;
  readonly jwk: string;
  holds(signed: Buffer, signature: Buffer): boolean;
}

/** What an issuer may sign with: the key's kind, curve, and how it is verified. */
const KINDS: Record<string, { kty: string; crv?: string; holds(key: KeyObject, signed: Buffer, signature: Buffer): boolean }> = {
  ES256: { kty: "EC", crv: "P-256", holds: (key, signed, signature) => verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, signature) },
  EdDSA: { kty: "OKP", crv: "Ed25519", holds: (key, signed, signature) => verify(null, signed, key, signature) },
  RS256: { kty: "RSA", holds: (key, signed, signature) => verify("sha256", signed, key, signature) },
};

/** A key of the issuer's set, or nothing where it is of no use here. */
function keyOf(jwk: any): Key | undefined {
  const kind = Object.hasOwn(KINDS, jwk.alg) ? KINDS[jwk.alg] : undefined;
  if (!kind || jwk.kty !== kind.kty || jwk.crv !== kind.crv || (jwk.use ?? "sig") !== "sig") return undefined;
  const key = createPublicKey({ key: jwk, format: "jwk" });
  if (kind.kty === "RSA" && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return undefined;
  return { alg: jwk.alg, jwk: JSON.stringify(jwk), holds: (signed, signature) => kind.holds(key, signed, signature) };
}

/** The set as it stands, by `kid`. Keys that were known stay the same objects, and so does what was verified under them. */
export function keysOf(set: any, known: ReadonlyMap<string, Key>): Map<string, Key> {
  if (!Array.isArray(set?.keys) || set.keys.length > 64) throw new TypeError("not a key set");
  const keys = new Map<string, Key>();
  for (const jwk of set.keys) {
    if (typeof jwk?.kid !== "string") continue;
    const before = known.get(jwk.kid);
    const key = before?.jwk === JSON.stringify(jwk) ? before : keyOf(jwk);
    if (key) keys.set(jwk.kid, key);
  }
  return keys;
}

/** The shared secret of an issuer that signs with HS256. */
export function keyOfSecret(secret: string): Key {
  return {
    alg: "HS256",
    jwk: "",
    holds(signed, signature) {
      const right = createHmac("sha256", secret).update(signed).digest();
      return signature.length === right.length && timingSafeEqual(signature, right);
    },
  };
}
