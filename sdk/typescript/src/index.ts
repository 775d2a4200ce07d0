export { createClient } from "./client.js";
export type { Client, ClientOptions, Credentials, Ticket } from "./client.js";
export { CountersignError } from "./errors.js";
export type { Platform, Store } from "./tabs.js";
export type * from "./api.js";
