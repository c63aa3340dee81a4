import react from "@vitejs/plugin-react";
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { Plugin, Rollup } from "vite";
import { defineConfig } from "vitest/config";

/** Only the styles of components that are used are loaded (src/mantine.css); the build fails where one of them is missing there, or is not needed. */
function mantineStyles(): Plugin {
  const named = /@mantine[/\\]core[/\\]esm[/\\].*[/\\](\w+)\.module\.mjs$/;
  return {
    name: "mantine-styles",
    generateBundle(_, bundle) {
      const modules = Object.values(bundle).flatMap((one) => (one.type === "chunk" ? Object.keys(one.modules) : []));
      const used = new Set(modules.flatMap((id) => id.match(named)?.[1] ?? []));
      const loaded = [...readFileSync("src/mantine.css", "utf8").matchAll(/styles\/([A-Z]\w+)\.css/g)].map((match) => match[1]!);
      const missing = [...used].filter((name) => !loaded.includes(name));
      const needless = loaded.filter((name) => !used.has(name));
      if (missing.length || needless.length) this.error(`src/mantine.css: missing ${missing.join(", ") || "nothing"}; needless ${needless.join(", ") || "nothing"}`);
    },
  };
}

const FIRST_LOAD_MAX_KB = 300;
const HEADERS_BYTES = 300; // of an answer, beside what is in it

/** What any page loads before it stands there, when it is the first one that is opened, is kept small: else the build fails, and says which page it is. */
function firstLoads(): Plugin {
  return {
    name: "first-loads",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((one): one is Rollup.OutputChunk => one.type === "chunk");
      const weights = new Map<string, number>();
      const weigh = (file: string) => {
        const found = bundle[file];
        if (!weights.has(file)) weights.set(file, gzipSync((found?.type === "chunk" ? found.code : found?.source) ?? "", { level: 9 }).length + HEADERS_BYTES);
        return weights.get(file)!;
      };
      const needed = (chunk: Rollup.OutputChunk, into: Set<string>): Set<string> => {
        if (into.has(chunk.fileName)) return into;
        into.add(chunk.fileName);
        const styles = (chunk as { viteMetadata?: { importedCss: Set<string> } }).viteMetadata?.importedCss ?? [];
        for (const style of styles) into.add(style);
        for (const file of chunk.imports) needed(chunks.find((one) => one.fileName === file)!, into);
        return into;
      };
      const entry = chunks.find((one) => one.isEntry)!;
      const frame = chunks.find((one) => one.facadeModuleId?.endsWith("/frame/Frame.tsx"))!;
      const router = readFileSync("src/router.tsx", "utf8");
      const pages = [...router.matchAll(/import\("\.(\/pages\/[^"]+)"\)/g)].map(([, path]) => path!);
      if (!pages.length) this.error("first loads: no page stands in src/router.tsx");
      const first = pages.map((path) => {
        const page = chunks.find((one) => one.facadeModuleId?.endsWith(`/src${path}.tsx`));
        if (!page) return this.error(`first loads: no chunk is the page ${path}`);
        const files = [entry, ...(path === "/pages/SignIn" ? [] : [frame]), page].reduce((all, chunk) => needed(chunk, all), new Set<string>());
        return { path, kb: [...files].reduce((sum, file) => sum + weigh(file), 0) / 1000 };
      });
      const wide = first.filter((one) => one.kb > FIRST_LOAD_MAX_KB);
      if (wide.length) this.error(`first loads: over ${FIRST_LOAD_MAX_KB} kB: ${wide.map((one) => `${one.path} ${one.kb.toFixed(1)}`).join(", ")}`);
    },
  };
}

// Served by the product's own API below /console/ (src/interlock/api/console.py); `npm run dev` talks to a running one.
export default defineConfig({
  base: "/console/",
  plugins: [react(), mantineStyles(), firstLoads()],
  build: {
    outDir: "../src/interlock/_console",
    emptyOutDir: true,
    target: ["chrome125", "firefox128", "safari18"], // with light-dark(), which would else be rewritten for a color-scheme that Mantine sets late
    assetsInlineLimit: 0, // no data: addresses, so that the content policy can stay narrow
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
    // What many pages share comes in one file: packed together it is a tenth smaller than in dozens, each with its own headers.
    rolldownOptions: { output: { codeSplitting: { groups: [{ name: "shared", minShareCount: 5 }] } } },
  },
  server: { proxy: { "/v1": process.env.INTERLOCK_URL ?? "http://127.0.0.1:8080" } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
