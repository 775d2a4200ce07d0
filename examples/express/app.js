// A small API, of which every route but one asks who is there.

import express from "express";
import * as countersign from "@countersign/client/server";

const issuer = process.env.ISSUER ?? "http://127.0.0.1:5000";
const verifier = countersign.createVerifier({ issuer });
const signedIn = countersign.express(verifier);
const admin = countersign.express(verifier, { role: "admin" });

const app = express();
const notes = new Map();

app.get("/", (request, response) => {
  response.json({ hello: "anybody" });
});

app.get("/notes", signedIn, (request, response) => {
  response.json({ notes: notes.get(request.claims.sub) ?? [] });
});

app.post("/notes", signedIn, express.json(), (request, response) => {
  const { sub } = request.claims;
  notes.set(sub, [...(notes.get(sub) ?? []), String(request.body?.text)].slice(-100));
  response.status(201).json({ notes: notes.get(sub) });
});

app.delete("/notes", admin, (request, response) => {
  notes.clear();
  response.status(204).end();
});

// Before the first answer of the issuer every check is 503; wait for it, rather than say so.
await verifier.ready;
const server = app.listen(Number(process.env.PORT ?? 8000), "127.0.0.1", () => {
  console.log(`Listening on http://127.0.0.1:${server.address().port}/`);
});
