// A mail server that delivers to nobody, and a page that shows what it took. For a local stack: all mails stay on this machine.
//
//   node mailbox.mjs SMTP_PORT HTTP_PORT
//
//   GET    /                          the mails, as a page
//   GET    /messages?to=ADDRESS       [{id, at, from, to, subject, headers, text, html}], the newest first
//   DELETE /messages                  forgets them
//   GET    /healthz
//
// SMTP as far as a client needs it that trusts this machine: https://datatracker.ietf.org/doc/html/rfc5321

import { createServer as createHttpServer } from "node:http";
import { createServer as createSmtpServer } from "node:net";

const [smtpPort, httpPort] = process.argv.slice(2).map(Number);
const mostKept = 1000;
let messages = [];
let taken = 0;

// SMTP ------------------------------------------------------------------------------------------------------------------------------

const smtp = createSmtpServer((socket) => {
  let buffered = "";
  let envelope = { from: null, to: [] };
  let inData = false;
  const say = (line) => socket.write(`${line}\r\n`);

  function command(line) {
    const [verb, ...rest] = line.split(" ");
    const argument = rest.join(" ");
    switch (verb.toUpperCase()) {
      case "EHLO":
        return say("250-mailbox\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 10485760");
      case "HELO":
        return say("250 mailbox");
      case "AUTH":
        return say("235 2.7.0 anybody is welcome");
      case "MAIL":
        envelope = { from: address(argument), to: [] };
        return say("250 2.1.0 ok");
      case "RCPT":
        envelope.to.push(address(argument));
        return say("250 2.1.5 ok");
      case "DATA":
        if (envelope.to.length === 0) return say("503 5.5.1 to whom?");
        inData = true;
        return say("354 end with a dot on a line of its own");
      case "RSET":
        envelope = { from: null, to: [] };
        return say("250 2.0.0 ok");
      case "NOOP":
        return say("250 2.0.0 ok");
      case "QUIT":
        say("221 2.0.0 bye");
        return socket.end();
      default:
        return say("502 5.5.2 not understood");
    }
  }

  say("220 mailbox ESMTP");
  socket.setEncoding("latin1");
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk) => {
    buffered += chunk;
    for (;;) {
      const end = buffered.indexOf(inData ? "\r\n.\r\n" : "\r\n");
      if (end < 0) break;
      const text = buffered.slice(0, end);
      buffered = buffered.slice(end + (inData ? 5 : 2));
      if (inData) {
        inData = false;
        keep(envelope, text.replaceAll("\r\n..", "\r\n."));
        say("250 2.0.0 taken");
      } else command(text);
    }
  });
});

const address = (argument) => /<([^>]*)>/.exec(argument)?.[1] ?? argument;

// Mails -----------------------------------------------------------------------------------------------------------------------------

function keep({ from, to }, raw) {
  const { headers, parts } = parse(raw);
  const of = (type) => parts.find((part) => part.type === type)?.text ?? null;
  const message = {
    id: ++taken, at: new Date().toISOString(), from, to, subject: words(headers.subject ?? ""), headers,
    text: of("text/plain"), html: of("text/html"),
  };
  messages = [message, ...messages].slice(0, mostKept);
  console.log(`mail ${message.id} to ${to.join(", ")}: ${message.subject}`);
}

/** Headers by lower-case name, and the leaves of a MIME tree as text. */
function parse(raw) {
  const split = raw.indexOf("\r\n\r\n");
  const head = split < 0 ? raw : raw.slice(0, split);
  const body = split < 0 ? "" : raw.slice(split + 4);
  const headers = {};
  for (const line of head.replace(/\r\n[ \t]+/g, " ").split("\r\n")) {
    const [, name, value] = /^([^:]+):\s*(.*)$/.exec(line) ?? [];
    if (name) headers[name.toLowerCase()] = value;
  }
  const type = (headers["content-type"] ?? "text/plain").split(";")[0].trim().toLowerCase();
  const boundary = /boundary="?([^";]+)"?/i.exec(headers["content-type"] ?? "")?.[1];
  if (!boundary) return { headers, parts: [{ type, text: decoded(body, headers["content-transfer-encoding"]) }] };
  const pieces = `\r\n${body}`.split(`\r\n--${boundary}`).slice(1, -1);
  return { headers, parts: pieces.flatMap((piece) => parse(piece.replace(/^[ \t]*\r\n/, "")).parts) };
}

function decoded(body, encoding = "7bit") {
  const bytes = {
    base64: () => Buffer.from(body, "base64"),
    "quoted-printable": () =>
      Buffer.from(body.replace(/=\r\n/g, "").replace(/=([0-9A-F]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16))), "latin1"),
  };
  return (bytes[encoding.trim().toLowerCase()] ?? (() => Buffer.from(body, "latin1")))().toString("utf8");
}

/** Encoded words of a header: https://datatracker.ietf.org/doc/html/rfc2047 */
function words(header) {
  return header.replace(/=\?utf-8\?([bq])\?([^?]*)\?=\s*/gi, (_, kind, text) =>
    kind.toLowerCase() === "b" ? Buffer.from(text, "base64").toString("utf8") : decoded(text.replaceAll("_", " "), "quoted-printable"));
}

// The page --------------------------------------------------------------------------------------------------------------------------

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

function page() {
  const mails = messages.map((mail) => `
    <details>
      <summary><time>${mail.at.slice(11, 19)}</time> <b>${escaped(mail.to.join(", "))}</b> ${escaped(mail.subject)}</summary>
      <iframe sandbox="allow-popups" srcdoc="${escaped(mail.html ?? `<pre>${escaped(mail.text ?? "")}</pre>`)}"></iframe>
    </details>`);
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Mailbox</title>
    <style>
      body { font: 15px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1c2430 }
      details { border: 1px solid #d8dee8; border-radius: 8px; margin: .5rem 0; padding: .6rem .9rem }
      summary { cursor: pointer } time { color: #6b7686; margin-right: .5rem }
      iframe { width: 100%; height: 24rem; border: 0; margin-top: .6rem }
    </style>
    <h1>Mailbox</h1><p>What this stack has mailed. Nothing has left this machine.</p>${mails.join("") || "<p>No mail yet.</p>"}</html>`;
}

const http = createHttpServer((request, response) => {
  const url = new URL(request.url, "http://mailbox");
  const answer = (status, type, body) => response.writeHead(status, { "content-type": type }).end(body);
  if (url.pathname === "/healthz") return answer(200, "text/plain", "ok");
  if (url.pathname === "/messages" && request.method === "DELETE") {
    messages = [];
    return answer(200, "application/json", "[]");
  }
  if (url.pathname === "/messages") {
    const to = url.searchParams.get("to");
    return answer(200, "application/json", JSON.stringify(messages.filter((mail) => !to || mail.to.includes(to))));
  }
  if (url.pathname === "/") return answer(200, "text/html; charset=utf-8", page());
  return answer(404, "text/plain", "not found");
});

smtp.listen(smtpPort, "127.0.0.1");
http.listen(httpPort, "127.0.0.1", () => console.log(`mailbox: smtp://127.0.0.1:${smtpPort}, http://127.0.0.1:${httpPort}`));
for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    http.closeAllConnections();
    process.exit(0);
  });
}
