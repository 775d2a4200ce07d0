// script/flow-pdf, which is Chromium as well: the drawing to print.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the flow in eight steps fits on one page of A4", () => {
  const folder = mkdtempSync(join(tmpdir(), "flow-pdf-"));
  const script = fileURLToPath(new URL("../../../script/flow-pdf", import.meta.url));
  execFileSync(script, { env: { ...process.env, CARGO_TARGET_DIR: folder }, stdio: ["ignore", "inherit", "pipe"] });
  const pdf = readFileSync(join(folder, "flow.pdf"), "latin1");
  rmSync(folder, { recursive: true });
  const pages = [...pdf.matchAll(/\/Type \/Page\b[^]*?\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/g)];
  assert.deepEqual(pages.map(([, ...points]) => points.map(Number).map(Math.round)), [[595, 842]]);
  // Without the drawing it is 7 KB.
  assert.ok(pdf.length > 20_000, `${pdf.length} bytes`);
});
