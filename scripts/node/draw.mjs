// Draw docs/pictures/*.dot as SVG, or with --check fail if a stored drawing is not that of its source.
import { createRequire } from "node:module";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

const packages = createRequire(process.cwd() + "/.components/node/");
const { instance } = packages("@viz-js/viz");
const folder = "docs/pictures/";
const viz = await instance();
const old = [];
for (const source of readdirSync(folder).filter((name) => name.endsWith(".dot"))) {
  const drawing = folder + source.replace(".dot", ".svg");
  const drawn = viz.renderString(readFileSync(folder + source, "utf8"), { format: "svg" });
  if (process.argv.includes("--check")) {
    if (readFileSync(drawing, "utf8") !== drawn) old.push(drawing);
  } else writeFileSync(drawing, drawn);
}
if (old.length) {
  console.error(`not as drawn from its source: ${old.join(", ")}. Type: make pictures`);
  process.exit(1);
}
