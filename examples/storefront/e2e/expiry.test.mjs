// Access tokens that live two seconds, and a guard that allows its clock to be off by two.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { MODES, openShop, PATIENCE } from "./world.mjs";

let world;
before(async () => (world = await openShop({ lifetime: 2 })));
after(() => world.close());

// Most of it is waiting, which both can do at the same time.
describe("after the end of a token", { concurrency: true }, () => {
  for (const mode of MODES) test(`${mode}: a token that has expired is renewed unseen`, async () => {
    const name = { cookie: "ada", token: "bob" }[mode];
    const tab = await world.visitor(mode);
    await tab.signIn(name);
    const token = await tab.token();
    await world.refuses(token, "token_expired", PATIENCE);
    await tab.heart("Quiet clock").click();
    await tab.wished("Quiet clock");
    assert.notEqual(await tab.token(), token);
    assert.equal(await tab.dialog.count(), 0);
    await tab.heart("Quiet clock").click();
    await tab.toast.getByText("off your wishlist").waitFor();

    // Over a reload, too: what is left is the refresh token.
    await world.refuses(await tab.token(), "token_expired", PATIENCE);
    await tab.page.reload();
    await tab.isSignedInAs(name);
    assert.deepEqual(tab.errors, []);
    await tab.close();
  });
});
