export { createVerifier, type Status, type Verifier, type VerifierOptions } from "./server/verifier.js";
export { express, fastify, type Demands } from "./server/web.js";
export { Refused, Stale, type RefusedCode } from "./server/refusal.js";
export { subject, type Scope } from "./server/floors.js";
export type { Claims } from "./server/claims.js";
