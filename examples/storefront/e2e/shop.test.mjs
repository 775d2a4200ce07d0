// What a visitor does, in both modes.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { MODES, openShop } from "./world.mjs";

let world;
before(async () => (world = await openShop()));
after(() => world.close());

for (const mode of MODES) {
  test(`${mode}: a wish of a stranger waits for the account that is made, and outlives a reload`, async () => {
    const tab = await world.visitor(mode);
    await tab.heart("Storm lantern").click();
    await tab.dialog.getByText("Storm lantern goes on your wishlist").waitFor();
    await tab.dialog.getByRole("button", { name: "Create an account" }).click();
    await tab.fill(`new-${mode}`);
    await tab.wished("Storm lantern");
    await tab.isSignedInAs(`new-${mode}`);
    await tab.page.reload();
    await tab.isSignedInAs(`new-${mode}`);
    await tab.wished("Storm lantern");
    assert.equal(await tab.wishes(), 1);
    await tab.page.getByRole("link", { name: "Wishlist, 1" }).click();
    await tab.page.getByRole("heading", { name: "Your wishlist" }).waitFor();
    await tab.wished("Storm lantern");
    assert.deepEqual(tab.errors, []);
    await tab.close();
  });

  test(`${mode}: a wrong password, a name that is taken and a short password are said in the dialog`, async () => {
    const tab = await world.visitor(mode);
    await tab.account.click();
    await tab.fill("ada", "not-the-password");
    await tab.dialog.getByText("The name or the password is not right.").waitFor();
    await tab.dialog.getByRole("button", { name: "Create an account" }).click();
    await tab.fill("ada");
    await tab.dialog.getByText("Username already exists").waitFor();
    await tab.fill("somebody", "short");
    await tab.dialog.locator("p.wrong", { hasText: "8" }).waitFor();
    await tab.page.keyboard.press("Escape");
    await tab.dialog.waitFor({ state: "hidden" });
    await tab.isSignedOut();
    await tab.close();
  });

  test(`${mode}: two people at one browser never see each other's wishes`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("ada");
    const wish = { cookie: "Quiet clock", token: "Small olive tree" }[mode];
    await tab.heart(wish).click();
    await tab.wished(wish);
    await tab.logOut();
    assert.equal(await tab.wishes(), 0);
    await tab.signIn("ada");
    await tab.wished(wish);

    // An answer about Ada's wishes that arrives when she has left.
    let release;
    const held = new Promise((done) => (release = done));
    let first = true;
    await tab.page.route("**/api/wishes", async (route) => {
      if (!first) return route.continue();
      first = false;
      const response = await route.fetch();
      await held;
      await route.fulfill({ response }).catch(() => {});
    });
    const asked = tab.page.waitForRequest("**/api/wishes");
    await tab.page.reload();
    await asked;
    await tab.logOut();
    assert.equal(await tab.wishes(), 0);
    const loaded = tab.page.waitForResponse("**/api/wishes");
    await tab.signIn("bob");
    await loaded;
    const late = tab.page.waitForResponse("**/api/wishes");
    release();
    await (await late).finished();
    await tab.painted();
    await tab.page.unroute("**/api/wishes");
    assert.equal(await tab.wishes(), 0);
    await tab.heart("Kitchen radio").click();
    await tab.wished("Kitchen radio");
    assert.equal(await tab.wishes(), 1);
    assert.deepEqual((await world.ask(await tab.token())).body, ["radio"]);
    await tab.heart("Kitchen radio").click();
    await tab.toast.getByText("off your wishlist").waitFor();
    await tab.close();
  });

  test(`${mode}: stock is for staff, and the API says so to others`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("bob");
    await tab.account.click();
    assert.equal(await tab.page.getByRole("link", { name: "Stock" }).count(), 0);
    const answer = tab.page.waitForResponse("**/api/stock");
    await tab.page.goto(`${world.url}/stock`);
    assert.equal((await answer).status(), 403);
    await tab.page.getByRole("heading", { name: "403" }).waitFor();
    const change = await world.ask(await tab.token(), "/api/stock/lamp", "PATCH");
    assert.deepEqual([change.status, change.code], [403, "forbidden"]);
    await tab.close();

    const staff = await world.visitor(mode);
    await staff.signIn("grace");
    await staff.account.click();
    await staff.page.getByRole("link", { name: "Stock" }).click();
    const row = staff.page.getByRole("form", { name: "lamp" });
    await row.getByLabel("In stock").fill(mode === "cookie" ? "4" : "5");
    await row.getByRole("button", { name: "Save" }).click();
    await staff.toast.getByText("in stock").waitFor();
    await staff.page.goto(`${world.url}/product/lamp`);
    await staff.page.getByText(mode === "cookie" ? "Only 4 left." : "Only 5 left.").waitFor();
    await staff.close();
  });

  test(`${mode}: whoever goes offline stays signed in, and the wish is made when the network is back`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("bob");
    await tab.context.setOffline(true);
    await tab.page.getByText("You are offline. You stay signed in").waitFor();
    await tab.heart("Ash bowl").click();
    await tab.toast.getByText("Your wish is kept").waitFor();
    await tab.account.click();
    await tab.page.getByRole("button", { name: "Log out", exact: true }).click();
    await tab.toast.getByText("You are still signed in.").waitFor();
    await tab.isSignedInAs("bob");
    await tab.context.setOffline(false);
    await tab.wished("Ash bowl");
    await tab.heart("Ash bowl").click();
    await tab.toast.getByText("off your wishlist").waitFor();
    await tab.close();
  });

  test(`${mode}: a device that is signed out elsewhere is asked to sign in at its next step`, async () => {
    const [phone, desk] = [await world.visitor(mode), await world.visitor(mode)];
    await phone.signIn("ada");
    await desk.signIn("ada");
    await desk.logOut("Log out everywhere");
    await phone.heart("Wool blanket").click();
    await phone.dialog.waitFor();
    await phone.isSignedOut();
    await Promise.all([phone.close(), desk.close()]);
  });
}

test("the mode is chosen on the page, and logins do not move with it", async () => {
  const tab = await world.visitor("cookie");
  await tab.signIn("ada");
  const token = await tab.token();
  assert.ok(await tab.page.getByLabel(/^Cookie mode in use/).isChecked());
  await tab.page.getByLabel(/^Token mode/).click();
  await tab.page.getByLabel(/^Token mode in use/).waitFor();
  await tab.isSignedOut();
  await world.refuses(token, "token_revoked", 1000);
  assert.equal(await tab.cookie("__Host-token"), undefined);
  await tab.signIn("ada");
  assert.equal(await tab.cookie("__Host-token"), undefined);
  await tab.close();
});

test("a page in token mode does not act for whom another tab holds in cookies", async () => {
  const tab = await world.visitor("cookie");
  await tab.signIn("bob");
  await tab.page.evaluate(() => localStorage.setItem("storefront-mode", "token"));
  const other = await tab.another();
  await other.isSignedOut();
  await other.heart("Wool blanket").click();
  await other.dialog.waitFor();
  assert.ok(!(await world.ask(await tab.cookie("__Host-token"))).body.includes("blanket"));
  await tab.close();
});

test("search finds as one types, and says when there is nothing", async () => {
  const tab = await world.visitor("cookie");
  await tab.page.getByRole("searchbox", { name: "Search" }).fill("enamel");
  await tab.page.waitForFunction(() => document.querySelectorAll(".card").length === 1);
  await tab.page.getByText("Enamel kettle").waitFor();
  await tab.page.getByRole("searchbox", { name: "Search" }).fill("unicorn");
  await tab.page.getByText("Nothing here is called that.").waitFor();
  await tab.page.getByRole("link", { name: "See everything" }).click();
  await tab.page.waitForFunction(() => document.querySelectorAll(".card").length === 12);
  await tab.close();
});
