#!/usr/bin/env node
// Takes docs/img/storefront-light.webp and storefront-dark.webp: the shop as its tests open it.
//
//   script/record-storefront.mjs
//
// Needs what script/test-storefront leaves behind (programs, pages, Playwright), Chromium (CHROMIUM,
// else /usr/bin/chromium) and cwebp (Debian: webp).

import { execFileSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { openShop } from "../examples/storefront/e2e/world.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const world = await openShop();
try {
  for (const scheme of ["light", "dark"]) {
    const tab = await world.visitor("cookie");
    await tab.page.setViewportSize({ width: 1080, height: 760 });
    await tab.page.emulateMedia({ colorScheme: scheme });
    await tab.signIn(scheme === "light" ? "ada" : "bob");
    for (const name of ["Storm lantern", "Quiet clock"]) {
      await tab.heart(name).click();
      await tab.wished(name);
    }
    await tab.heart("Linen notebook").click();
    await tab.toast.getByText("Linen notebook is on").waitFor();
    await tab.account.click();
    await tab.page.mouse.move(5, 755);
    const [taken, made] = [join(root, `target/storefront-${scheme}.png`), join(root, `docs/img/storefront-${scheme}.webp`)];
    await tab.page.screenshot({ path: taken });
    execFileSync("cwebp", ["-quiet", "-preset", "drawing", "-q", "80", taken, "-o", made]);
    rmSync(taken);
    console.log(`${made}: ${Math.round(statSync(made).size / 1024)} KiB`);
    await tab.close();
  }
} finally {
  await world.close();
}
