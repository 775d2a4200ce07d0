import { uptime } from "node:os";

/** A moment that only its clock understands. */
export type Moment = readonly [number, number];

/** Measures what has passed. Nobody sets it, and it goes on while the machine sleeps. */
export interface Clock {
  now(): Moment;
  /** Seconds since then. */
  since(then: Moment): number;
}

/** On a single count of seconds. */
export const clockOf = (seconds: () => number): Clock => ({
  now: () => [seconds(), 0],
  since: ([then]) => seconds() - then,
});

/**
 * `performance.now` stands still while a Linux machine sleeps; how long the machine has been up does
 * not, but counts in steps (10 ms on Linux, 1 s on macOS). The longer of the two has passed.
 */
export const clock: Clock = {
  now: () => [performance.now() / 1000, uptime()],
  since: ([ticks, up]) => Math.max(performance.now() / 1000 - ticks, uptime() - up),
};
