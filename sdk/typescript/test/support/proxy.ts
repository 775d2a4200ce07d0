// A connection that loses answers.

import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";

export class Proxy {
  /** How many answers to requests that begin with `losing` are still to be lost. */
  lose = 0;
  losing = "POST /refresh";
  lost = 0;
  url = "";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(to: string) {
    const { hostname, port } = new URL(to);
    this.#server = createServer((client) => {
      const server = connect(Number(port), hostname);
      let doomed = false;
      for (const socket of [client, server]) {
        this.#sockets.add(socket);
        socket.on("error", () => {});
        socket.on("close", () => (client.destroy(), server.destroy(), this.#sockets.delete(socket)));
      }
      client.on("data", (data) => {
        doomed = this.lose > 0 && data.toString("latin1").startsWith(this.losing);
        server.write(data);
      });
      server.on("data", (data) => {
        if (!doomed) return client.write(data);
        // The server has done it, and nobody hears of it.
        this.lose--;
        this.lost++;
        return client.destroy();
      });
    });
  }

  static async to(url: string): Promise<Proxy> {
    const proxy = new Proxy(url);
    await new Promise<void>((listening) => proxy.#server.listen(0, "127.0.0.1", listening));
    proxy.url = `http://127.0.0.1:${(proxy.#server.address() as AddressInfo).port}`;
    return proxy;
  }

  /** Nobody is there any more. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
