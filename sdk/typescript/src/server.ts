/** What an access token says. */
export interface Claims {
  iss: string;
  sub: string;
  aud: string | string[];
  client_id: string;
  iat: number;
  nbf: number;
  exp: number;
  jti: string;
  sid: string;
  rev: number;
  username?: string;
  email?: string;
  email_verified?: boolean;
  roles: string[];
  type: "access";
  fresh: boolean;
}
export interface VerifierOptions {
  issuer: string;
  credentials?: { id: string; secret: string };
  audience?: string;
  policy?: "strict" | "bounded" | "lenient";
  secret?: string;
}
export interface Verifier {
  readonly ready: Promise<void>;
  verify(token: string): Promise<Claims>;
  close(): void;
}
export interface Demands {
  role?: string;
  optional?: boolean;
  fresh?: boolean;
}
export declare function createVerifier(options: VerifierOptions): Verifier;
export declare function express(verifier: Verifier, demands?: Demands): (req: any, res: any, next: (error?: unknown) => void) => void;
export declare function fastify(verifier: Verifier, demands?: Demands): (request: any, reply: any) => Promise<void>;
