"""A page that lists the operations of /openapi.json. It loads nothing from other hosts: an office may be offline."""

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>dnsfilter API</title>
<link rel="stylesheet" href="/docs/page.css">
<script src="/docs/page.js" defer></script>
</head>
<body>
<main>
<h1>dnsfilter API</h1>
<p>Every operation of <a href="/openapi.json">/openapi.json</a>. Send the header
<code>Authorization: Bearer TOKEN</code>; errors are problem+json (RFC 9457).</p>
<noscript><p>This page reads the description with JavaScript; the description itself needs none.</p></noscript>
<div id="operations"></div>
</main>
</body>
</html>
"""

STYLE = """body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #1b1b1b; background: #fff; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2rem; border-bottom: 1px solid #767676; }
summary { cursor: pointer; padding: .25rem 0; }
summary code { font-weight: 600; }
table { border-collapse: collapse; margin: .5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; }
pre { background: #f3f3f3; padding: .75rem; overflow-x: auto; }
"""

SCRIPT = """"use strict";
const METHODS = ["get", "put", "patch", "post", "delete"];
function element(name, text, parent) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}
function table(parent, heads, rows) {
  if (!rows.length) return;
  const made = element("table", "", parent);
  const head = element("tr", "", made);
  for (const text of heads) element("th", text, head);
  for (const row of rows) {
    const line = element("tr", "", made);
    for (const text of row) element("td", text, line);
  }
}
function schemaName(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  if (schema.anyOf) return schema.anyOf.map(schemaName).join(" or ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return "list of " + schemaName(schema.items);
  return schema.const || schema.type || "any";
}
function resolve(item, api) {
  if (!item.$ref) return item;
  return item.$ref.slice(2).split("/").reduce((found, part) => found[part], api);
}
function operation(parent, method, path, described, api) {
  const details = element("details", "", parent);
  const summary = element("summary", "", details);
  element("code", method.toUpperCase() + " " + path, summary);
  summary.append(" \\u2014 " + (described.summary || ""));
  element("p", described.description, details);
  table(details, ["parameter", "in", "type", "meaning"], (described.parameters || []).map(
    (item) => resolve(item, api)).map((parameter) => [
    parameter.name + (parameter.required ? "" : " (optional)"), parameter.in, schemaName(parameter.schema),
    parameter.description || ""]));
  const content = (described.requestBody || {}).content || {};
  table(details, ["body", "schema"], Object.entries(content).map(([kind, body]) => [kind, schemaName(body.schema)]));
  table(details, ["status", "meaning"], Object.entries(described.responses || {}).map(
    ([status, response]) => [status, resolve(response, api).description || ""]));
}
function schemas(parent, schemas) {
  element("h2", "Schemas", parent);
  for (const [name, schema] of Object.entries(schemas)) {
    const details = element("details", "", parent);
    details.id = name;
    element("code", name, element("summary", "", details));
    element("p", schema.description, details);
    const required = new Set(schema.required || []);
    table(details, ["field", "type", "meaning"], Object.entries(schema.properties || {}).map(([field, type]) => [
      field + (required.has(field) ? "" : " (optional)"), schemaName(type), type.description || ""]));
    if (schema.enum) element("pre", schema.enum.join("\\n"), details);
  }
}
fetch("/openapi.json").then((response) => response.json()).then((api) => {
  const parent = document.getElementById("operations");
  const groups = new Map();
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const tag = (item[method].tags || ["other"])[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([method, path, item[method]]);
    }
  }
  for (const [tag, operations] of groups) {
    element("h2", tag, parent);
    for (const [method, path, described] of operations) operation(parent, method, path, described, api);
  }
  schemas(parent, api.components.schemas);
});
"""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
