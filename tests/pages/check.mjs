// Looks at the pages of a demo with a real Chromium, as `make check-report` does:
//   node check.mjs CHROMIUM FOLDER PICTURES PAGE...
// Each page is opened from its file, in light and dark, on a phone, a tablet and a desktop. It may send no request and write
// nothing to the console, axe finds nothing wrong with it, and it does not scroll sideways. Printed, it is whole.

import { createRequire } from "node:module";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [chromium, folder, pictures, ...pages] = process.argv.slice(2);
const require = createRequire(join(resolve(folder), "package.json"));
const puppeteer = require("puppeteer-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const WIDTHS = [360, 768, 1280];
const SCHEMES = ["light", "dark"];

let looks = 0;
const problems = [];
mkdirSync(pictures, { recursive: true });
const browser = await puppeteer.launch({ executablePath: chromium, headless: true, args: ["--no-sandbox"] });

/// A tab that notes every request and message.
async function open(path, noted) {
  const tab = await browser.newPage();
  const address = pathToFileURL(resolve(path)).href;
  tab.on("request", (request) => {
    if (request.url() !== address && !request.url().startsWith("data:")) noted.push(`request ${request.url()}`);
  });
  tab.on("console", (message) => noted.push(`console ${message.text()}`));
  tab.on("pageerror", (error) => noted.push(`error ${error}`));
  return [tab, address];
}

for (const path of pages) {
  const name = `${basename(dirname(path))}-${basename(path, ".html")}`;
  for (const scheme of SCHEMES) {
    for (const width of WIDTHS) {
      const noted = [];
      const [tab, address] = await open(path, noted);
      await tab.setViewport({ width, height: 900 });
      await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await tab.goto(address, { waitUntil: "load" });
      const wide = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      if (wide > 0) noted.push(`it is ${wide} px wider than the window`);
      if (width !== 768) await tab.screenshot({ path: join(pictures, `${name}-${width}-${scheme}.png`), fullPage: true });
      await tab.evaluate(() => document.querySelectorAll("details").forEach((it) => (it.open = true)));
      await tab.evaluate(axe);
      const found = await tab.evaluate(() => globalThis.axe.run());
      for (const it of found.violations) noted.push(`axe ${it.id}: ${it.help} (${it.nodes[0].html.slice(0, 160)})`);
      if (found.passes.length < 15) noted.push(`axe checked only ${found.passes.length} rules`);
      noted.forEach((text) => problems.push(`${path}, ${width} px, ${scheme}: ${text}`));
      looks += 1;
      await tab.close();
    }
  }
  await print(path, name);
  await breakEscaping(path);
}

/// On paper the page is light whatever was chosen, and what is folded is open.
async function print(path, name) {
  const noted = [];
  const [tab, address] = await open(path, noted);
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await tab.goto(address, { waitUntil: "load" });
  await tab.evaluate(() => document.getElementById("dark").click());
  await tab.emulateMediaType("print");
  const printed = await tab.evaluate(() => ({
    ground: getComputedStyle(document.body).backgroundColor,
    folded: [...document.querySelectorAll("details table")].filter((it) => it.getBoundingClientRect().height < 1).length,
    cut: [...document.querySelectorAll(".scroll")].filter((it) => getComputedStyle(it).overflowX !== "visible").length,
  }));
  if (printed.ground !== "rgb(255, 255, 255)") noted.push(`it is printed on ${printed.ground}`);
  if (printed.folded > 0) noted.push(`${printed.folded} tables stay folded on paper`);
  if (printed.cut > 0) noted.push(`${printed.cut} tables are cut off on paper`);
  const pdf = await tab.pdf({ format: "A4" });
  if (pdf.length < 5000) noted.push(`the PDF has ${pdf.length} bytes`);
  writeFileSync(join(pictures, `${name}.pdf`), pdf);
  noted.forEach((text) => problems.push(`${path}, printed: ${text}`));
  looks += 1;
  await tab.close();
}

/// Even if a name were not escaped, the policy of the page would keep it from doing anything.
async function breakEscaping(path) {
  let asked = 0;
  const server = createServer((_, response) => response.end(String((asked += 1)))).listen(0, "127.0.0.1");
  await once(server, "listening");
  const there = `http://127.0.0.1:${server.address().port}/x`;
  const evil = `<script>document.title = "owned"</script><img src="${there}" onerror="document.title = 'owned'">`;
  const broken = join(pictures, "broken.html");
  writeFileSync(broken, readFileSync(path, "utf8").replace("<main>", `<main>${evil}`));
  const noted = [];
  const [tab, address] = await open(broken, noted);
  await tab.goto(address, { waitUntil: "load" });
  if ((await tab.title()) === "owned") problems.push(`${path}: a script ran although the policy forbids it`);
  if (!noted.some((text) => text.includes("Content Security Policy"))) problems.push(`${path}: the policy refused nothing`);
  await tab.close();
  server.close();
  if (asked > 0) problems.push(`${path}: a request was sent although the policy forbids it`);
  looks += 1;
}

await browser.close();
problems.forEach((text) => console.error(text));
console.log(`${looks} looks at ${pages.length} pages, ${problems.length} problems; pictures in ${pictures}`);
process.exit(problems.length > 0 ? 1 : 0);
