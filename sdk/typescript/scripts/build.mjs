// Compiles src to dist, from nothing, so that no file of an older build is packed. The licences come
// along from the top of the repository.

import { execFileSync } from "node:child_process";
import { copyFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const home = fileURLToPath(new URL("..", import.meta.url));
rmSync(`${home}/dist`, { recursive: true, force: true });
execFileSync(`${home}/node_modules/.bin/tsc`, ["-p", "tsconfig.json"], { cwd: home, stdio: "inherit" });
for (const licence of ["LICENSE-APACHE", "LICENSE-MIT"]) copyFileSync(`${home}/../../${licence}`, `${home}/${licence}`);
