// What an attacker may try from outside: made-up tokens, foreign pages, names that want to be scripts.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createServer } from "node:http";
import { MODES, openShop, PASSWORD } from "./world.mjs";

let world;
before(async () => (world = await openShop()));
after(() => world.close());

/** The same token, with other claims and the signature of the old ones. */
function tampered(token) {
  const [head, claims, signature] = token.split(".");
  const altered = { ...JSON.parse(Buffer.from(claims, "base64url")), roles: ["admin"] };
  return [head, Buffer.from(JSON.stringify(altered)).toString("base64url"), signature].join(".");
}

/** Puts other tokens where the page or the browser keeps them. */
async function plant(tab, mode, access, refresh) {
  if (mode === "cookie") {
    const cookies = (await tab.context.cookies()).map((cookie) => {
      if (cookie.name === "__Host-token") return { ...cookie, value: access };
      if (cookie.name === "__Host-refresh" && refresh) return { ...cookie, value: refresh };
      return cookie;
    });
    return tab.context.addCookies(cookies);
  }
  await tab.page.evaluate(
    ([access, refresh]) => {
      const kept = JSON.parse(sessionStorage.getItem("jwt"));
      kept.access_token = access;
      kept.refresh_token = refresh ?? kept.refresh_token;
      sessionStorage.setItem("jwt", JSON.stringify(kept));
    },
    [access, refresh],
  );
}

for (const mode of MODES) {
  test(`${mode}: a tampered token opens nothing, and with a tampered refresh token it ends at the prompt`, async () => {
    const tab = await world.visitor(mode);
    await tab.signIn("ada");
    const forged = tampered(await tab.token());
    assert.equal((await world.ask(forged, "/api/stock")).code, "token_signature_invalid");

    await plant(tab, mode, forged);
    await tab.page.goto(`${world.url}/stock`);
    await tab.page.getByRole("heading", { name: "403" }).waitFor();
    assert.notEqual(await tab.token(), forged);

    await tab.page.goto(world.url);
    await tab.isSignedInAs("ada");
    await tab.heart("Linen notebook").waitFor();
    await plant(tab, mode, forged, "AAAAAAAAAAAAAAAAAAAAAA");
    await tab.heart("Linen notebook").click();
    await tab.dialog.getByText("Linen notebook goes on your wishlist").waitFor();
    await tab.isSignedOut();
    await tab.fill("ada");
    await tab.wished("Linen notebook");
    await tab.heart("Linen notebook").click();
    await tab.toast.getByText("off your wishlist").waitFor();
    await tab.close();
  });

  test(`${mode}: a name that wants to be a script stays text`, async () => {
    const probe = `<img src=x onerror="window.pwned=1"><script>pwned=1</script>`;
    const tab = await world.visitor(mode);
    await tab.signIn("grace");
    await tab.page.goto(`${world.url}/stock`);
    const row = tab.page.getByRole("form", { name: "mug" });
    const rename = async (name) => {
      await row.getByLabel("Name").fill(name);
      await row.getByRole("button", { name: "Save" }).click();
      await tab.toast.getByText(`${name}: 60 in stock.`).waitFor();
    };
    await rename(probe);
    for (const path of ["/", "/product/mug", `/?q=${encodeURIComponent("<img src=x")}`, "/stock"]) {
      await tab.page.goto(world.url + path);
      if (path !== "/stock") await tab.page.getByText(probe).first().waitFor();
      assert.equal(await tab.page.locator("main img, main script").count(), 0);
      assert.equal(await tab.page.evaluate(() => window.pwned), undefined);
    }
    await rename("Stoneware mug");
    assert.deepEqual(tab.errors, []);
    await tab.close();
  });
}

test("cookie: no script can read the login", async () => {
  const tab = await world.visitor("cookie");
  await tab.signIn("ada");
  const secrets = [await tab.token(), await tab.cookie("__Host-refresh")];
  const readable = await tab.page.evaluate(() =>
    JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]),
  );
  assert.ok(secrets.every((secret) => secret.length > 20));
  for (const secret of secrets) assert.ok(!readable.includes(secret));
  assert.equal(await tab.page.evaluate(() => document.cookie), "");
  assert.ok(!/eyJ/.test(readable), readable);
  for (const name of ["__Host-token", "__Host-refresh"]) {
    const { httpOnly, secure, sameSite } = (await tab.context.cookies()).find((cookie) => cookie.name === name);
    assert.deepEqual({ httpOnly, secure, sameSite }, { httpOnly: true, secure: true, sameSite: "Strict" });
  }
  await tab.close();
});

test("token: the tokens are in sessionStorage alone, and no cookie is set", async () => {
  const tab = await world.visitor("token");
  await tab.signIn("ada");
  assert.deepEqual(await tab.context.cookies(), []);
  assert.ok(!/eyJ/.test(await tab.page.evaluate(() => JSON.stringify({ ...localStorage }))));
  await tab.close();
});

const FORMS = [
  ["/auth/logout", {}],
  ["/auth/login", { username: "bob", password: PASSWORD, mode: "cookie" }],
  // As text/plain, a form can send what reads as JSON.
  ["/auth/login", { [`{"username":"bob","password":"${PASSWORD}","mode":"cookie","x":"`]: `"}` }, "text/plain"],
  ["/auth/profile/delete", { password: PASSWORD }],
  ["/api/wishes/mug", {}],
];

/** A page that tries what a page can: forms, which need no leave, and requests with cookies. */
function foreignPage(shop) {
  const forms = FORMS.map(([action, fields, kind = "application/x-www-form-urlencoded"], number) => {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name='${name}' value='${value}'>`);
    return `<iframe name="out${number}"></iframe>
      <form method="post" target="out${number}" enctype="${kind}" action="${shop}${action}">${inputs.join("")}</form>`;
  });
  const login = JSON.stringify({ username: "bob", password: PASSWORD, mode: "cookie" });
  return `<!doctype html><title>foreign</title>${forms.join("")}
    <script>
      const ask = (path, init) => fetch("${shop}" + path, { credentials: "include", ...init }).then(() => "read", () => "no");
      onload = async () => {
        for (const form of document.forms) form.submit();
        const tried = await Promise.all([
          ask("/auth/logout", { method: "POST", mode: "no-cors" }),
          ask("/auth/login", { method: "POST", mode: "no-cors", body: ${JSON.stringify(login)} }),
          ask("/api/wishes", {}),
          ask("/api/wishes/mug", { method: "PUT" }),
          ask("/api/wishes/clock", { method: "DELETE" }),
        ]);
        document.title = tried.join(" ");
      };
    </script>`;
}

// On 127.0.0.1 it is another site. On localhost, at another port, it is the same site to a browser,
// which then sends even SameSite=Strict cookies: there the rule of Countersign and of the guard decides.
for (const host of ["127.0.0.1", "localhost"]) {
  test(`cookie: a page at ${host} changes nothing`, async (t) => {
    const server = createServer((_, answer) => {
      answer.writeHead(200, { "Content-Type": "text/html" }).end(foreignPage(world.url));
    });
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    t.after(() => server.close() && server.closeAllConnections());
    const tab = await world.visitor("cookie");
    await tab.signIn("ada");
    await tab.heart("Quiet clock").click();
    await tab.wished("Quiet clock");
    const cookies = JSON.stringify(await tab.context.cookies());

    const foreign = await tab.context.newPage();
    const statuses = [];
    const answered = foreign.waitForResponse((answer) => {
      const posted = answer.request().isNavigationRequest() && answer.request().method() === "POST";
      if (posted) statuses.push(`${new URL(answer.url()).pathname} ${answer.status()}`);
      return statuses.length === FORMS.length;
    });
    await foreign.goto(`http://${host}:${server.address().port}/`);
    await answered;
    // They arrived. Without cookies, from another site, what would clear some is refused for where it
    // came from, and the rest for what it is: no JSON, no credential. Wishes are not posted.
    const [login, removal] = host === "localhost" ? [403, 403] : [415, 401];
    const refused = ["/api/wishes/mug 405", `/auth/login ${login}`, `/auth/login ${login}`, "/auth/logout 403"];
    assert.deepEqual(statuses.sort(), [...refused, `/auth/profile/delete ${removal}`]);
    // No answer could be read, either.
    await foreign.waitForFunction(() => document.title === "no no no no no");

    assert.equal(JSON.stringify(await tab.context.cookies()), cookies);
    await tab.page.reload();
    await tab.isSignedInAs("ada");
    await tab.wished("Quiet clock");
    assert.deepEqual((await world.ask(await tab.token())).body, ["clock"]);
    await tab.heart("Quiet clock").click();
    await tab.toast.getByText("off your wishlist").waitFor();
    await tab.close();
  });
}
