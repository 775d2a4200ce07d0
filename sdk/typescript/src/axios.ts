import type { Client, Ticket } from "./client.js";
import { retryAfter } from "./errors.js";

/** The part of axios that is used; any 1.x has it. */
export interface AxiosLike {
  interceptors: {
    request: { use(onFulfilled: (config: any) => any): number };
    response: { use(onFulfilled: undefined, onRejected: (error: any) => any): number };
  };
  getUri(config?: any): string;
  request(config: any): Promise<any>;
}

interface Tried {
  ticket: Ticket;
  renewed?: boolean;
  /** Seconds that were waited for a server that said 503. */
  waited: number;
}

/** Where a request remembers. A symbol would be lost where axios merges configurations. */
const tried = "countersign";

/**
 * Has an axios instance show the login of `client`, as `client.fetch` does: to allowed origins only,
 * refreshed before it expires and once upon 401, after which the request is repeated; 503 with
 * `Retry-After` is waited out, for `patience` seconds altogether.
 */
export function attach(axios: AxiosLike, client: Client, { patience = 30 }: { patience?: number } = {}): void {
  axios.interceptors.request.use(async (config) => {
    // A header that the program set itself is left alone.
    if (config.headers.has("Authorization") && !config[tried]) return config;
    const ticket = await client.ticket(urlOf(axios, config));
    if (!ticket) return config;
    config[tried] = { waited: 0, ...config[tried], ticket };
    for (const [name, value] of Object.entries(ticket.headers)) config.headers.set(name, value);
    if (ticket.cookies) config.withCredentials ??= true;
    // Browsers drop the header at a redirect to another origin. In Node axios keeps it for subdomains.
    const { beforeRedirect } = config;
    config.beforeRedirect = (options: any, ...rest: unknown[]) => {
      if (new URL(options.href).origin !== new URL(urlOf(axios, config)).origin) {
        for (const name of Object.keys(options.headers)) if (/^authorization$/i.test(name)) delete options.headers[name];
      }
      beforeRedirect?.(options, ...rest);
    };
    return config;
  });

  axios.interceptors.response.use(undefined, async (error) => {
    const { config, response } = error;
    const state: Tried | undefined = config?.[tried];
    // A body that was read cannot be sent again.
    if (!state || !response || typeof config.data?.pipe === "function" || config.data instanceof ReadableStream) throw error;
    if (response.status === 401 && !state.renewed) {
      state.renewed = true;
      if (await client.renew(state.ticket, await codeOf(response.data))) return axios.request(config);
    } else if (response.status === 503) {
      const wait = (retryAfter(response.headers["retry-after"]) ?? Infinity) + 0.1;
      if ((state.waited += wait) <= patience) {
        await new Promise((resolve) => setTimeout(resolve, wait * 1000));
        return axios.request(config);
      }
    }
    throw error;
  });
}

const urlOf = (axios: AxiosLike, config: any): string =>
  new URL(axios.getUri({ ...config, params: undefined }), globalThis.location?.href).href;

/** The code in an answer of whatever `responseType`. */
async function codeOf(data: any): Promise<string | undefined> {
  try {
    if (data instanceof Blob) data = await data.text();
    if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) data = new TextDecoder().decode(data);
    return (typeof data === "string" ? JSON.parse(data) : data)?.code;
  } catch {
    return undefined;
  }
}
