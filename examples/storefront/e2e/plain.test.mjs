// The page of docs/browser.md, as it is printed there, and filled in by somebody who is new. The shop
// passes its logins on; an API of its own it has in a test of the book.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { openShop, PASSWORD } from "./world.mjs";

const book = readFileSync(new URL("../../../docs/browser.md", import.meta.url), "utf8");
const shown = (name) => book.split(`<!-- file: site/${name} -->\n`)[1].match(/^```\w+\n([^]*?)^```$/m)[1];

let world;
before(async () => (world = await openShop()));
after(() => world.close());

test("plain JavaScript: a new account, a refusal, a wish, signing out and in again", async () => {
  const { page, errors, close } = await world.visitor("cookie");
  const types = { "index.html": "text/html", "app.js": "text/javascript", "auth.js": "text/javascript" };
  for (const [name, contentType] of Object.entries(types)) {
    await page.route(`**/plain/${name}`, (route) => route.fulfill({ contentType, body: shown(name) }));
  }
  const wishes = [];
  await page.route("**/api/wishlist", (route) => {
    if (route.request().method() === "POST") wishes.push(route.request().postDataJSON().wish);
    return route.fulfill({ json: { wishes } });
  });
  const name = page.getByPlaceholder("Name");
  const submit = async (username, password, button) => {
    await name.fill(username);
    await page.getByPlaceholder("Password").fill(password);
    await page.getByRole("button", { name: button }).click();
  };
  const signedIn = () => page.getByText("Wishes of nora").waitFor();
  const refusal = page.locator("#refusal");

  await page.goto(`${world.url}/plain/index.html`);
  await submit("nora", PASSWORD, "Sign in");
  await refusal.filter({ hasText: /\w/ }).waitFor();
  const unknown = await refusal.textContent();
  await submit("nora", "short", "I am new");
  await refusal.filter({ hasText: "8", hasNotText: unknown }).waitFor();
  await submit("nora", PASSWORD, "I am new");
  await signedIn();
  assert.equal(await refusal.textContent(), "");
  assert.equal(await name.isVisible(), false);
  await page.locator("[name=wish]").fill("a <b>kite</b>");
  await page.getByRole("button", { name: "Add" }).click();
  await page.getByRole("listitem").getByText("a <b>kite</b>").waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await name.waitFor();
  await page.reload();
  await submit("nora", PASSWORD, "Sign in");
  await signedIn();
  assert.deepEqual(await page.getByRole("listitem").allTextContents(), ["a <b>kite</b>"]);
  await page.reload();
  await signedIn();
  assert.deepEqual(errors, []);
  await close();
});
