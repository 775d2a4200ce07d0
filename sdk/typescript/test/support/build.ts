// Before all tests: some of them use what is published, dist, and none may find an older one.

import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

export default function build(): void {
  execFileSync(process.execPath, [resolve(import.meta.dirname, "../../scripts/build.mjs")], { stdio: "inherit" });
}
