// What is published: its size, its types, and that it installs into projects that know nothing of it.

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";

const HOME = resolve(import.meta.dirname, "..");
const VITE = JSON.parse(readFileSync(`${HOME}/node_modules/vite/package.json`, "utf8")).version;
const scratch = mkdtempSync(join(tmpdir(), "countersign-package-"));
let tarball: string;

const run = (cwd: string, program: string, ...args: string[]) => execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const npm = (cwd: string, ...args: string[]) => run(cwd, "npm", ...args, "--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error");

function project(name: string, manifest: object, files: Record<string, string>): string {
  const home = join(scratch, name);
  mkdirSync(home);
  for (const [path, text] of Object.entries({ "package.json": JSON.stringify({ name, private: true, type: "module", ...manifest }), ...files })) {
    writeFileSync(join(home, path), text);
  }
  return home;
}

beforeAll(() => {
  tarball = join(scratch, JSON.parse(npm(HOME, "pack", "--json", "--ignore-scripts", "--pack-destination", scratch))[0].filename);
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.each([
  ["index.ts", 5_000],
  ["axios.ts", 1_200],
  ["react.tsx", 3_000],
])("%s is below %i bytes, minified and gzipped", async (entry, most) => {
  const { outputFiles } = await build({
    entryPoints: [join(HOME, "src", entry)],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    external: ["react", "react/jsx-runtime"],
  });
  const size = gzipSync(outputFiles[0]!.contents, { level: 9 }).length;
  console.log(`${entry}: ${size} bytes gzipped (${outputFiles[0]!.contents.length} minified)`);
  expect(size).toBeLessThan(most);
});

test("the types are those of openapi.json", () => {
  run(HOME, "node", "scripts/api.mjs", "--check");
});

test("nothing comes along, and nothing that is not meant to", () => {
  const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(readFileSync(`${HOME}/package.json`, "utf8"));
  expect([dependencies, Object.keys(peerDependencies), peerDependenciesMeta.react.optional]).toEqual([undefined, ["react"], true]);
  const files = run(scratch, "tar", "-tzf", tarball).trim().split("\n");
  expect(files.filter((path) => !/^package\/(package\.json|README\.md|LICENSE-(APACHE|MIT)|dist\/.+\.(js|d\.ts)(\.map)?|src\/.+\.tsx?)$/.test(path))).toEqual([]);
  expect(files).toEqual(expect.arrayContaining(["package/dist/index.js", "package/LICENSE-APACHE", "package/LICENSE-MIT"]));
});

test("it installs into an empty Vite project, which builds and type-checks", () => {
  const home = project(
    "vite",
    { dependencies: { "@countersign/client": `file:${tarball}`, vite: VITE } },
    {
      "index.html": '<!doctype html><script type="module" src="/main.ts"></script>',
      "main.ts": `import { createClient, CountersignError, type User } from "@countersign/client";
        const client = createClient({ baseUrl: "/auth" });
        client.subscribe((user: User | null | undefined) => (document.title = user?.username ?? "nobody"));
        client.login({ username: "ada", password: "plum-harbour-41" }).catch((why: CountersignError) => alert(why.code));\n`,
      "tsconfig.json": JSON.stringify({ compilerOptions: { strict: true, noEmit: true, module: "esnext", moduleResolution: "bundler", target: "es2022", lib: ["es2022", "dom"], types: [] }, include: ["main.ts"] }),
    },
  );
  npm(home, "install");
  expect(readdirSync(join(home, "node_modules"))).not.toContain("react");
  run(home, join(HOME, "node_modules/.bin/tsc"), "-p", ".");
  run(home, join(home, "node_modules/.bin/vite"), "build");
  const built = readdirSync(join(home, "dist/assets")).map((name) => readFileSync(join(home, "dist/assets", name), "utf8")).join();
  expect(built).toContain("/refresh");
  expect(built).not.toContain("node:crypto");
}, 180_000);

test("it installs into a plain Node program", () => {
  const home = project(
    "node",
    { dependencies: { "@countersign/client": `file:${tarball}` } },
    {
      "main.js": `import { createClient } from "@countersign/client";
        import { createVerifier, Stale } from "@countersign/client/server";
        import { attach } from "@countersign/client/axios";
        const client = createClient({ baseUrl: "http://127.0.0.1:9", mode: "token" });
        const verifier = createVerifier({ issuer: "http://127.0.0.1:9", log() {} });
        const why = await verifier.verify("a.b.c").catch((why) => why);
        verifier.close();
        console.log(await client.ready, why.code, typeof attach, Stale.name);\n`,
    },
  );
  npm(home, "install");
  expect(readdirSync(join(home, "node_modules")).filter((name) => !name.startsWith("."))).toEqual(["@countersign"]);
  // It ends by itself: nothing keeps the process once the verifier is closed.
  expect(run(home, "node", "main.js").trim()).toBe("null token_malformed function Stale");
}, 120_000);

test("every snippet in the documents type-checks", () => {
  const home = join(scratch, "snippets");
  mkdirSync(join(home, "node_modules/@countersign"), { recursive: true });
  for (const name of readdirSync(join(HOME, "node_modules")).filter((name) => !/^[.]|@countersign/.test(name))) symlinkSync(join(HOME, "node_modules", name), join(home, "node_modules", name));
  symlinkSync(HOME, join(home, "node_modules/@countersign/client"));
  let count = 0;
  const pages = readdirSync(join(HOME, "../../docs")).filter((name) => name.endsWith(".md")).map((name) => `../../docs/${name}`);
  for (const page of ["README.md", "../../examples/express/README.md", ...pages]) {
    const text = readFileSync(join(HOME, page), "utf8");
    // JavaScript in docs/ is run by other tests.
    const kinds = page.startsWith("../../docs/") ? /^```(tsx?)\n([^]*?)^```/gm : /^```(tsx?|js)\n([^]*?)^```/gm;
    for (const [, language, snippet] of text.matchAll(kinds)) {
      writeFileSync(join(home, `${++count}.${language === "tsx" ? "tsx" : "ts"}`), `${snippet}\nexport {};\n`);
    }
  }
  expect(count).toBeGreaterThan(8);
  const options = { strict: true, noEmit: true, module: "esnext", moduleResolution: "bundler", target: "es2022", lib: ["es2023", "dom"], jsx: "react-jsx", types: ["node"], skipLibCheck: true, noImplicitAny: false };
  writeFileSync(join(home, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts", "*.tsx"] }));
  try {
    run(home, join(HOME, "node_modules/.bin/tsc"), "-p", ".");
  } catch (why) {
    expect.fail(String((why as { stdout: string }).stdout));
  }
}, 60_000);
