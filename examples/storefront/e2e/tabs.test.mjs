// Several tabs with one login, and logins that end.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MODES, openShop, PATIENCE } from "./world.mjs";

const TABS = 10;

let world;
before(async () => (world = await openShop()));
after(() => world.close());

for (const mode of MODES) {
  test(`${mode}: a logout in one tab logs out the other within a second, and the shop refuses the old token`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("ada");
    const other = await tab.another();
    await other.isSignedInAs("ada");
    const token = await tab.token();
    assert.equal((await world.ask(token)).status, 200);
    await tab.logOut();
    await other.isSignedOut(1000);
    await world.refuses(token, "token_revoked", 1000);
    assert.equal(await other.wishes(), 0);
    await tab.close();
  });

  test(`${mode}: ten tabs that refresh at once rotate once, and nobody is logged out`, async () => {
    const name = `many-${mode}`;
    world.cli("user", "add", "--username", name, "--password-stdin");
    const tab = await world.visitor(mode);
    await tab.signIn(name);
    const tabs = [tab];
    while (tabs.length < TABS) tabs.push(await tab.another());
    for (const each of tabs) await each.isSignedInAs(name);
    const [token, before] = [await tab.token(), await world.refreshes()];

    // Rights that change outdate the token that all ten hold.
    world.cli("user", "roles", name, "--add", "regular");
    await world.refuses(token, "token_superseded", PATIENCE);
    const names = ["Enamel kettle", "Stoneware mug", "Storm lantern", "Beeswax candles", "Wool blanket"];
    names.push("Three-legged stool", "Quiet clock", "Linen notebook", "Reading lamp", "Ash bowl");
    await Promise.all(tabs.map((each, number) => each.heart(names[number]).click()));
    for (const [number, each] of tabs.entries()) await each.wished(names[number]);

    assert.equal((await world.refreshes()) - before, 1);
    for (const each of tabs) {
      await each.isSignedInAs(name);
      assert.notEqual(await each.token(), token);
      assert.equal(await each.dialog.count(), 0);
    }
    assert.equal((await world.ask(await tab.token())).body.length, TABS);
    await tab.close();
  });

  test(`${mode}: where a refresh is refused, the wish waits for the login and is made then`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("ada");
    const revoke = async () => {
      const token = await tab.token();
      world.cli("session", "revoke", "--user", "ada");
      await world.refuses(token, "token_revoked", 1000);
    };
    await revoke();
    const refused = tab.page.waitForResponse((answer) => answer.url().endsWith("/auth/refresh"));
    await tab.heart("Enamel kettle").click();
    assert.equal((await refused).status(), 401);
    await tab.dialog.getByText("Enamel kettle goes on your wishlist").waitFor();
    await tab.fill("ada");
    await tab.wished("Enamel kettle");
    assert.ok((await world.ask(await tab.token())).body.includes("kettle"));

    // Who closes the dialog has changed their mind.
    await revoke();
    await tab.heart("Stoneware mug").click();
    await tab.dialog.waitFor();
    await tab.page.keyboard.press("Escape");
    await tab.signIn("ada");
    await tab.wished("Enamel kettle");
    assert.ok(!(await world.ask(await tab.token())).body.includes("mug"));

    await tab.heart("Enamel kettle").click();
    await tab.toast.getByText("off your wishlist").waitFor();
    await tab.close();
  });
}
