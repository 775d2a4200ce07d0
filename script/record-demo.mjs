#!/usr/bin/env node
// Records docs/img/demo-light.webp and demo-dark.webp: `countersign demo` in a real browser, in real
// time, with nothing drawn in but the mouse and the line below the heading.
//
//   script/record-demo.mjs [LIGHT-OR-DARK]…
//
// Needs node, Chromium (CHROMIUM, else /usr/bin/chromium) and img2webp (Debian: webp). Playwright
// comes from npm into target/record.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { setPriority } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const PLAYWRIGHT = "playwright-core@1.65.1";
const WIDTH = 940;
const HEIGHT = 712;
const ZOOM = 2; // a screencast has one pixel for each of the page's: so the page is larger
const FRAME = 100; // milliseconds, at least

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(root, "target/record");
const program = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release/countersign");
const sleep = (time) => new Promise((done) => setTimeout(done, time));

function prepare() {
  execFileSync("cargo", ["build", "--release", "--locked"], { cwd: root, stdio: "inherit" });
  mkdirSync(tools, { recursive: true });
  if (existsSync(join(tools, "node_modules/playwright-core"))) return;
  writeFileSync(join(tools, "package.json"), "{}");
  execFileSync("npm", ["install", "--no-audit", "--no-fund", PLAYWRIGHT], { cwd: tools, stdio: "inherit" });
}

/// Starts the demo on a free port; its first line says where.
async function demo() {
  const child = spawn(program, ["demo", "--json", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "ignore"] });
  for await (const line of createInterface(child.stdout)) return { child, url: JSON.parse(line).url };
  throw new Error("the demo did not start");
}

/// The mouse, which screenshots leave out. Styles are set by script, as the page's policy demands.
function drawMouse() {
  const mouse = document.createElement("div");
  mouse.id = "mouse";
  Object.assign(mouse.style, {
    position: "fixed", left: "560px", top: "640px", width: "22px", height: "30px", zIndex: 9,
    background: getComputedStyle(document.body).color, filter: "drop-shadow(0 0 1px #888)",
    clipPath: "polygon(0 0, 0 76%, 24% 60%, 42% 100%, 58% 92%, 42% 54%, 70% 52%)",
    transition: "left 0.6s ease-in-out, top 0.6s ease-in-out, transform 0.1s",
  });
  document.body.append(mouse);
}

/// Puts a line below the heading.
const caption = (page, text) => page.evaluate((text) => { document.querySelector("header p").textContent = text; }, text);

async function play(page) {
  const say = (text) => caption(page, text);
  const press = async (selector) => {
    const box = await page.locator(selector).boundingBox();
    const to = [(box.x + box.width * 0.8) / ZOOM, (box.y + box.height * 0.7) / ZOOM];
    const style = (styles) => page.evaluate((styles) => Object.assign(document.querySelector("#mouse").style, styles), styles);
    await style({ left: `${to[0]}px`, top: `${to[1]}px` });
    await sleep(750);
    await style({ transform: "scale(0.8)" });
    await sleep(120);
    await page.click(selector);
    await style({ transform: "none" });
  };
  const sees = (service, who) => page.locator(`.card.${service} .who`, { hasText: who }).waitFor();

  await sleep(1200);
  await press("#sign-in");
  await sees("library", "Hello");
  await say("Signed in: both accept.");
  await sleep(1600);
  await press(".shop .log-out");
  await sees("library", "Refused");
  await say("Logged out in Shop, and Library refuses the same token.");
  await sleep(4200);
  await press("#sign-in");
  await sees("library", "Hello");
  await say("Signed in again. Now cut the line on which Library hears of logouts.");
  await sleep(900);
  await press(".link.library .shears");
  await say("Cut: Library goes on for what is left of its 3 seconds …");
  await sees("library", "Cannot tell");
  await say("… then it answers 503, since it cannot know. Shop has news, and goes on.");
  await sleep(3000);
  await press(".link.library .shears");
  await sees("library", "Hello");
  await say("Mended: Library caught up, and accepts again.");
  await sleep(2600);
}

async function record(chromium, scheme, { child, url }) {
  const frames = mkdtempSync(join(tools, `${scheme}-`));
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync"],
  });
  const taken = [];
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH * ZOOM, height: HEIGHT * ZOOM }, colorScheme: scheme });
    await page.goto(url);
    await page.evaluate((zoom) => { document.documentElement.style.zoom = zoom; }, ZOOM);
    await page.evaluate(drawMouse);
    await caption(page, "Two services check the same login by themselves; no request asks the issuer.");
    await sleep(2500);
    const session = await page.context().newCDPSession(page);
    session.on("Page.screencastFrame", async ({ data, metadata, sessionId }) => {
      const path = join(frames, `${String(taken.length).padStart(4, "0")}.png`);
      taken.push({ path, at: metadata.timestamp * 1000 });
      writeFileSync(path, Buffer.from(data, "base64"));
      await sleep(FRAME);
      await session.send("Page.screencastFrameAck", { sessionId }).catch(() => {});
    });
    await session.send("Page.startScreencast", { format: "png" });
    await play(page);
    await session.send("Page.stopScreencast");
  } finally {
    await browser.close();
    child.kill("SIGINT");
  }
  const made = join(root, `docs/img/demo-${scheme}.webp`);
  const args = taken.flatMap(({ path, at }, frame) => {
    const next = taken[frame + 1]?.at ?? at + 1500;
    return ["-d", String(Math.max(10, Math.round(next - at))), path];
  });
  execFileSync("img2webp", ["-loop", "0", "-min_size", "-lossless", "-m", "4", ...args, "-o", made], { stdio: "ignore" });
  if (!process.env.KEEP_FRAMES) rmSync(frames, { recursive: true });
  console.log(`${made}: ${taken.length} frames, ${Math.round(statSync(made).size / 1024)} KiB`);
}

prepare();
const { chromium } = createRequire(join(tools, "package.json"))("playwright-core");
const schemes = process.argv.length > 2 ? process.argv.slice(2) : ["light", "dark"];
const demos = await Promise.all(schemes.map(demo));
// From here on at the back of the queue: what is recorded should not wait for its recording.
setPriority(10);
for (const [number, scheme] of schemes.entries()) await record(chromium, scheme, demos[number]);
