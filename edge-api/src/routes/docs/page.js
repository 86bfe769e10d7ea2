// Draws /openapi.json. Text goes in as text nodes only, so nothing in a description can become markup.
"use strict";

function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes ?? {})) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value != null) element.setAttribute(key, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null));
  return element;
}

// The little of Markdown that descriptions use: paragraphs, lists, `code`.
function inline(text) {
  return text.split(/(`[^`]+`)/).map((part) => (part.startsWith("`") ? make("code", null, part.slice(1, -1)) : part));
}
function prose(text) {
  return (text ?? "").split(/\n\s*\n/).filter((block) => block.trim()).map((block) => {
    const lines = block.split("\n");
    if (lines[0].startsWith("- ")) {
      const items = block.split(/\n?^- /m).filter(Boolean);
      return make("ul", null, items.map((item) => make("li", null, inline(item))));
    }
    return make("p", null, inline(block));
  });
}

function typeOf(schema, seen = 0) {
  if (!schema || Object.keys(schema).length === 0) return ["any JSON"];
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return [make("a", { href: `#schema-${name}` }, name)];
  }
  const options = schema.oneOf ?? schema.anyOf;
  if (options && seen < 3) return options.flatMap((option, at) => [at ? " or " : "", ...typeOf(option, seen + 1)]);
  if (schema.enum) return [schema.enum.join(" | ")];
  const type = [schema.type].flat().filter(Boolean).join(" or ");
  if (schema.type === "array") return ["list of ", ...typeOf(schema.items, seen + 1)];
  return [[type || "any JSON", schema.format && `(${schema.format})`].filter(Boolean).join(" ")];
}

function rows(entries) {
  return make("table", null, make("tbody", null, entries.map((cells) =>
    make("tr", null, cells.map((cell) => make("td", null, cell))))));
}
function fields(schema) {
  const required = new Set(schema.required ?? []);
  return rows(Object.entries(schema.properties ?? {}).map(([name, field]) => [
    name, [...typeOf(field), required.has(name) ? "" : ", optional"], prose(field.description),
  ]));
}

function resolve(description, object) {
  if (!object?.$ref) return object;
  return object.$ref.slice(2).split("/").reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], description);
}

function example(description, schema) {
  schema = resolve(description, schema) ?? {};
  if (schema.example !== undefined) return schema.example;
  if (schema.properties) {
    return Object.fromEntries((schema.required ?? []).map((name) => [name, example(description, schema.properties[name])]));
  }
  return { string: schema.format === "uuid" ? "01900000-0000-7000-8000-00000000a0f1" : "", integer: 0, number: 0 }[schema.type] ?? null;
}

// Sends what the form says, and shows what comes back; a stream is shown as it comes.
function tryIt(description, method, path, operation) {
  const inputs = (operation.parameters ?? []).map((parameter) => {
    const input = make("input", { name: parameter.name, spellcheck: "false" });
    return { parameter, input, label: make("label", null, `${parameter.name} (${parameter.in})`, input) };
  });
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const body = schema && make("textarea", { spellcheck: "false", "aria-label": "Body" });
  if (body) body.value = JSON.stringify(example(description, schema), null, 2);
  const answer = make("pre", { hidden: "" });
  let running = null;

  async function send(event) {
    event.preventDefault();
    running?.abort();
    running = new AbortController();
    const { signal } = running;
    const token = document.getElementById("token").value.trim();
    const headers = {};
    if (token && operation.security) headers.Authorization = `Bearer ${token}`;
    if (body) headers["Content-Type"] = "application/json";
    let address = path;
    const query = new URLSearchParams();
    for (const { parameter, input } of inputs) {
      if (parameter.in === "path") address = address.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
      else if (!input.value) continue;
      else if (parameter.in === "query") query.set(parameter.name, input.value);
      else headers[parameter.name] = input.value;
    }
    answer.hidden = false;
    answer.textContent = "…";
    try {
      const response = await fetch(query.size ? `${address}?${query}` : address, { method, headers, body: body?.value, signal });
      answer.textContent = `${response.status} ${response.statusText}\n\n`;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (let part = await reader.read(); !part.done; part = await reader.read()) answer.append(part.value);
      if (response.headers.get("content-type")?.includes("json")) {
        const [head, ...rest] = answer.textContent.split("\n\n");
        answer.textContent = `${head}\n\n${JSON.stringify(JSON.parse(rest.join("\n\n")), null, 2)}`;
      }
    } catch (error) {
      if (!signal.aborted) answer.append(String(error));
    }
  }
  return make("details", null, make("summary", null, "Try it"),
    make("form", { onsubmit: send }, inputs.map(({ label }) => label), body && make("label", null, "body", body), make("button", null, "Send")),
    answer);
}

function operationCard(description, method, path, operation) {
  const parameters = (operation.parameters ?? []).map((parameter) => [
    parameter.name, [`${parameter.in}, `, ...typeOf(parameter.schema)], prose(parameter.description),
  ]);
  const bodies = Object.values(operation.requestBody?.content ?? {}).map(({ schema }) => resolve(description, schema));
  const responses = Object.entries(operation.responses).sort().map(([status, response]) => {
    response = resolve(description, response);
    const types = Object.entries(response.content ?? {}).map(([type, { schema }]) => [...typeOf(schema), type === "application/json" ? "" : `, ${type}`]);
    return [make("span", { class: status >= "400" ? "bad" : null }, status), types.flat(), prose(response.description)];
  });
  return make("article", { id: operation.operationId },
    make("h3", null, make("span", { class: `method ${method}` }, method.toUpperCase()), make("span", { class: "path" }, path),
      make("span", null, operation.security ? "signed in" : "open")),
    make("div", null, prose(operation.summary), prose(operation.description),
      parameters.length ? [make("h4", null, "Parameters"), rows(parameters)] : null,
      bodies.length ? [make("h4", null, "Body"), bodies.map(fields)] : null,
      make("h4", null, "Answers"), rows(responses),
      tryIt(description, method, path, operation)));
}

function draw(description) {
  const { info } = description;
  document.title = info.title;
  document.getElementById("about").append(
    make("h1", null, info.title, " ", make("small", null, info.version)), ...prose(info.description),
    make("p", null, make("a", { href: "/openapi.json" }, "/openapi.json")));

  const byTag = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const tag = operation.tags?.[0] ?? "other";
      byTag.set(tag, [...(byTag.get(tag) ?? []), { method, path, operation }]);
    }
  }
  // What people come for first.
  const order = ["executions"];
  const tags = [...byTag.keys()].sort((a, b) => order.includes(b) - order.includes(a) || a.localeCompare(b));

  const contents = document.getElementById("contents");
  const operations = document.getElementById("operations");
  operations.replaceChildren();
  for (const tag of tags) {
    contents.append(make("h2", null, tag));
    operations.append(make("h2", null, tag));
    for (const { method, path, operation } of byTag.get(tag)) {
      contents.append(make("a", { href: `#${operation.operationId}` }, make("span", { class: `method ${method}` }, method.toUpperCase()), " ", path));
      operations.append(operationCard(description, method, path, operation));
    }
  }

  const schemas = document.getElementById("schemas");
  schemas.append(make("h2", null, "Shapes"));
  contents.append(make("h2", null, "Shapes"));
  for (const [name, schema] of Object.entries(description.components?.schemas ?? {})) {
    contents.append(make("a", { href: `#schema-${name}` }, name));
    schemas.append(make("article", { id: `schema-${name}` }, make("h3", null, make("span", { class: "path" }, name)),
      make("div", null, prose(schema.description), schema.properties ? fields(schema) : make("p", null, typeOf(schema)))));
  }
}

fetch("/openapi.json").then((response) => response.json()).then(draw).catch((error) => {
  document.getElementById("operations").replaceChildren(make("p", { class: "bad" }, `The description could not be read: ${error}`));
});
