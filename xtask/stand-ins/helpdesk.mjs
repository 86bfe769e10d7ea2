// A help desk in memory, for the demo's workflow to talk to. Deterministic: the same request gets the same answer.
//
//   node helpdesk.mjs PORT
//
//   GET  /healthz
//   GET  /customers/:email            who writes: plan, tier, open tickets
//   POST /tickets/:id/assign          {team, priority}
//   POST /tickets/:id/escalate        {reason}
//   POST /tickets/:id/reply           {body}
//   GET  /tickets/:id                 what was done with it so far

import { createServer } from "node:http";

const customers = {
  "mara.lindqvist@northwind.example": { name: "Mara Lindqvist", company: "Northwind", plan: "professional", tier: "standard", open_tickets: 1 },
  "dele.oyelaran@helios.example": { name: "Dele Oyelaran", company: "Helios", plan: "enterprise", tier: "priority", open_tickets: 3 },
  "sofia.reyes@kitebooks.example": { name: "Sofia Reyes", company: "Kite Books", plan: "starter", tier: "standard", open_tickets: 0 },
};

const tickets = new Map();

const actions = {
  assign: ({ team, priority }) => ({ assigned_to: team ?? "support", priority: priority ?? "normal" }),
  escalate: ({ reason }) => ({ on_call: "paged", reason: reason ?? null }),
  reply: ({ body }) => ({ sent: true, characters: String(body ?? "").length }),
};

const server = createServer(async (request, response) => {
  try {
    const [status, body] = await answer(request);
    send(response, status, body);
  } catch (error) {
    send(response, 400, { code: "bad_request", message: String(error.message ?? error), details: null, hint: null });
  }
});

async function answer(request) {
  const [collection, key, action] = new URL(request.url, "http://helpdesk").pathname.split("/").filter(Boolean).map(decodeURIComponent);
  if (request.method === "GET" && collection === "healthz") return [200, { status: "ok" }];
  if (request.method === "GET" && collection === "customers" && key) {
    const customer = customers[key.toLowerCase()];
    return customer ? [200, { email: key.toLowerCase(), ...customer }] : notFound(`customer ${key}`);
  }
  if (collection === "tickets" && key) {
    const history = tickets.get(key) ?? [];
    if (request.method === "GET" && !action) return [200, { id: key, history }];
    if (request.method === "POST" && actions[action]) {
      const done = { ticket: key, action, ...actions[action](await json(request)) };
      tickets.set(key, [...history, done]);
      return [200, done];
    }
  }
  return notFound(`${request.method} ${request.url}`);
}

function notFound(what) {
  return [404, { code: "not_found", message: `the help desk has no ${what}`, details: null, hint: null }];
}

async function json(request) {
  let text = "";
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 1_000_000) throw new Error("the body is larger than 1 MB");
  }
  return text === "" ? {} : JSON.parse(text);
}

function send(response, status, body) {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

const port = Number(process.argv[2]);
server.listen(port, "127.0.0.1", () => console.log(`help desk on http://127.0.0.1:${port}`));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.closeAllConnections();
    server.close(() => process.exit(0));
  });
}
