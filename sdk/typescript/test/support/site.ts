// One server for a file, and a browser of its own for each of its tests.

import { afterAll, afterEach, beforeAll, beforeEach, vi } from "vitest";

import { Browser } from "./browser.js";
import { Server } from "./server.js";

export let server: Server;
export let browser: Browser;

/** Whatever a test did to the clock, the next has a real one. */
export function eachWithABrowser(settings?: Record<string, string>): void {
  beforeAll(async () => {
    server = await Server.start(settings);
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    browser = new Browser(server.url);
  });
  afterEach(() => {
    browser.close();
    vi.useRealTimers();
  });
}

/** For the rest of this test, before another server. */
export function browseAt(url: string): void {
  browser.close();
  browser = new Browser(url);
}
