// A login and a protected route as the documentation of @fastify/jwt shows them, with a schema for
// each answer, as Fastify's recommends. One account, in memory; the same Argon2id parameters as
// Countersign's defaults. Verified tokens are remembered (`cache`), which is theirs to switch on.
// Nothing looks whether a login has ended.

import { Algorithm, hash, verify } from "@node-rs/argon2";
import jwt from "@fastify/jwt";
import Fastify from "fastify";

const app = Fastify();
app.register(jwt, {
  secret: process.env.BENCH_SECRET,
  sign: { expiresIn: "15m" },
  verify: { cache: true },
});

const cost = { algorithm: Algorithm.Argon2id, memoryCost: 19456, timeCost: 2, parallelism: 1 };
const accounts = new Map([["holder0", await hash(process.env.BENCH_PASSWORD, cost)]]);

const text = { type: "string" };
const object = (...names) => ({
  type: "object",
  required: names,
  properties: Object.fromEntries(names.map((name) => [name, text])),
});

app.post(
  "/login",
  { schema: { body: object("username", "password"), response: { 200: object("access_token") } } },
  async (request, reply) => {
    const { username, password } = request.body;
    const known = accounts.get(username);
    if (!known || !(await verify(known, password))) {
      return reply.code(401).send({ message: "Invalid credentials" });
    }
    return { access_token: app.jwt.sign({ sub: username }) };
  },
);

app.get(
  "/protected",
  {
    onRequest: (request) => request.jwtVerify(),
    schema: { response: { 200: object("logged_in_as") } },
  },
  async (request) => ({ logged_in_as: request.user.sub }),
);

await app.listen({ host: "127.0.0.1", port: Number(process.argv[2]) });
