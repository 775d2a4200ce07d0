// What `vite build` needs to know, and `vite` (npm run dev): there the shop's API, which passes
// /auth on to Countersign, is asked through Vite.
import { defineConfig } from "vite";

const api = { target: process.env.SHOP ?? "http://localhost:8000" };

export default defineConfig({
  // The SDK stands in the same repository and has a React of its own for its tests.
  resolve: { dedupe: ["react", "react-dom"] },
  server: { proxy: { "/api": api, "/auth": api } },
  // No inlined files: the shop's policy for its pages allows none.
  build: {
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // "use client" in the SDK is for frameworks that render on the server.
    rolldownOptions: { onwarn: (warning, warn) => warning.code === "MODULE_LEVEL_DIRECTIVE" || warn(warning) },
  },
});
