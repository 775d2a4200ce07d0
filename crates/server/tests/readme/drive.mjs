// Drives site/auth.js of docs/browser.md: in a browser as the page drive.html, or in Node, where a
// few lines stand in for the browser's cookies. Ends with the word "passed", or with what did not.

const inBrowser = typeof document !== "undefined";
const site = inBrowser ? "" : process.argv[2];
const sent = []; // "METHOD path status" of every request
let meddle = null; // may answer in the server's place, or lose an answer

const jar = new Map();
const network = globalThis.fetch;

async function carry(url, init = {}) {
  if (inBrowser) return network(url, init);
  const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
  const answer = await network(site + url, { ...init, headers: { ...init.headers, cookie } });
  for (const line of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
    if (/max-age=0/i.test(line)) jar.delete(name);
    else jar.set(name, value);
  }
  return answer;
}

globalThis.fetch = async (url, init = {}) => {
  const answer = (await meddle?.(url, init)) ?? (await carry(url, init));
  sent.push(`${init.method ?? "GET"} ${url} ${answer.status}`);
  return answer;
};

function equal(found, expected, what) {
  const [left, right] = [found, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`${what}: ${left} and not ${right}`);
}

/** What this sends. */
async function sends(action, expected, what) {
  sent.length = 0;
  const result = await action();
  equal(sent, expected, what);
  return result;
}

/** Answers `status` in the server's place, once for each of these paths. */
const once = (status, ...paths) => (url) => {
  const at = paths.indexOf(url);
  if (at < 0) return null;
  paths.splice(at, 1);
  return new Response("{}", { status, headers: { "Retry-After": "0" } });
};

async function drive() {
  const { call, register, signIn, signOut, whoAmI } = await import("./auth.js");
  const name = `dora${Math.floor(performance.timeOrigin + performance.now())}`;
  const unknown = ["GET /auth/profile 401", "POST /auth/refresh 401"];
  equal(await sends(whoAmI, unknown, "a stranger is asked about once"), null, "a stranger");
  equal((await register(name, "short")).code, "invalid_request", "a short password");
  equal(await register(name, "plum-harbour-41"), null, "a new account");
  const wrong = () => signIn(name, "plum-harbour-42");
  const refusal = await sends(wrong, ["POST /auth/login 401"], "a wrong password is no reason to refresh");
  equal(refusal.code, "invalid_credentials", "a wrong password");
  equal(await signIn(name, "plum-harbour-41"), null, "the right one");
  equal((await whoAmI()).username, name, "who is signed in");
  if (inBrowser) equal(document.cookie, "", "what a script can see of the cookies");

  const wishes = () => call("/api/wishlist");
  equal((await sends(wishes, ["GET /api/wishlist 200"], "a good token")).status, 200, "a good token");

  meddle = once(401, "/api/wishlist", "/api/wishlist", "/api/wishlist");
  const three = () => Promise.all([wishes(), wishes(), wishes()]);
  sent.length = 0;
  equal((await three()).map((answer) => answer.status), [200, 200, 200], "three at once");
  equal(sent.filter((line) => line.includes("refresh")), ["POST /auth/refresh 200"], "one refresh for three");

  meddle = once(401, "/api/wishlist", "/api/wishlist");
  const twice = ["GET /api/wishlist 401", "POST /auth/refresh 200", "GET /api/wishlist 401"];
  equal((await sends(wishes, twice, "refreshed once")).status, 401, "a second 401 is the answer");

  // The server refreshes, and its answer is lost on the way.
  let lost = 0;
  const unauthorized = once(401, "/api/wishlist");
  meddle = async (url, init) => {
    if (url !== "/auth/refresh" || lost++) return unauthorized(url);
    const cookies = new Map(jar);
    await carry(url, init);
    jar.clear();
    for (const [name, value] of cookies) jar.set(name, value);
    throw new TypeError("network error");
  };
  equal((await wishes()).status, 200, "after a lost answer");
  equal(lost, 2, "a lost refresh is repeated");

  meddle = once(503, "/api/wishlist");
  const waited = ["GET /api/wishlist 503", "GET /api/wishlist 200"];
  equal((await sends(wishes, waited, "503 is waited out")).status, 200, "after 503");
  meddle = once(403, "/api/wishlist");
  equal((await sends(wishes, ["GET /api/wishlist 403"], "403 is an answer")).status, 403, "403");
  meddle = (url) => (url === "/auth/refresh" || url === "/api/wishlist" ? new Response("{}", { status: url[2] === "u" ? 500 : 401 }) : null);
  const unsure = await wishes().catch((error) => error.message);
  equal(unsure, "/refresh answered 500", "a refresh that fails otherwise signs nobody out");

  meddle = null;
  equal((await wishes()).status, 200, "still signed in");
  equal(await signOut(), null, "signed out");
  equal(await whoAmI(), null, "nobody");
  equal((await wishes()).status, 401, "after signing out");
}

const outcome = await drive().then(
  () => "passed",
  (error) => `failed: ${error.stack}`,
);
if (inBrowser) {
  document.body.textContent = outcome;
} else {
  console.log(outcome);
  process.exit(outcome === "passed" ? 0 : 1);
}
