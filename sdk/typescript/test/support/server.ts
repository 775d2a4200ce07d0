// The real program, in a directory of its own, on a free port of the loopback.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../../../..");
const PROGRAM = resolve(process.env["COUNTERSIGN_BIN"] ?? join(ROOT, "target/debug/countersign"));
export const PASSWORD = "plum-harbour-41";

export class Server {
  url = "";
  #child!: ChildProcess;
  readonly #home = mkdtempSync(join(tmpdir(), "countersign-ts-"));
  readonly #env: Record<string, string>;

  private constructor(settings: Record<string, string>) {
    this.#env = { PATH: process.env["PATH"]!, COUNTERSIGN_PASSWORD__ARGON2__MEMORY_KIB: "8", ...settings };
  }

  static async start(settings: Record<string, string> = {}): Promise<Server> {
    const server = new Server(settings);
    await server.restart("127.0.0.1:0");
    return server;
  }

  async restart(listen = new URL(this.url).host): Promise<void> {
    this.#child = spawn(PROGRAM, ["serve", "--listen", listen, "--json"], {
      cwd: this.#home,
      env: this.#env,
      stdio: ["ignore", "pipe", process.env["SHOW"] ? "inherit" : "ignore"],
    });
    const { value } = await createInterface(this.#child.stdout!)[Symbol.asyncIterator]().next();
    this.url = JSON.parse(value).url.replace(/\/$/, "");
  }

  cli(...args: string[]): string {
    return this.#run(args);
  }

  #run(args: string[], input = ""): string {
    const env = { ...this.#env, COUNTERSIGN_SERVER__LISTEN: new URL(this.url).host };
    return execFileSync(PROGRAM, args, { cwd: this.#home, env, input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"] });
  }

  addUser(name: string, ...roles: string[]): void {
    this.#run(["user", "add", "--username", name, "--password-stdin", ...roles.flatMap((role) => ["--role", role])], PASSWORD);
  }

  async post(path: string, body: object = {}, headers: Record<string, string> = {}): Promise<any> {
    const response = await fetch(this.url + path, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
    const read = await response.json();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${JSON.stringify(read)}`);
    return read;
  }

  login(username: string): Promise<{ access_token: string; refresh_token: string }> {
    return this.post("/login", { username, password: PASSWORD });
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  async stop(): Promise<void> {
    await this.kill();
    rmSync(this.#home, { recursive: true, force: true });
  }
}

let names = 0;
/** A name that no other test uses. */
export const someone = (): string => `user${++names}`;

/** Milliseconds until it holds. */
export async function eventually(holds: () => unknown, within = 5_000): Promise<number> {
  const began = performance.now();
  while (!(await holds())) {
    if (performance.now() - began > within) throw new Error(`it never came: ${holds}`);
    await sleep(1);
  }
  return performance.now() - began;
}
