import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// Served by the product's own API below /console/ (src/interlock/api/console.py); `npm run dev` talks to a running one.
export default defineConfig({
  base: "/console/",
  plugins: [react()],
  build: {
    outDir: "../src/interlock/_console",
    emptyOutDir: true,
    assetsInlineLimit: 0, // no data: addresses, so that the content policy can stay narrow
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/v1": process.env.INTERLOCK_URL ?? "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
