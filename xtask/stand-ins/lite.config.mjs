// The configuration of Supabase Lite, from the environment that `cargo xtask up` gives it.
//
// A module and not a TOML file, because one thing has to be mended: Lite turns a JSON argument of an RPC into text, and its driver
// turns that text into JSON once more, so that a function would get a string where it was sent an object or an array.

import { createPostgresConnection } from "@supabase/lite/postgres";

const wanted = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; Supabase Lite is started by \`cargo xtask up\``);
  return value;
};

const json = (oid) => ({ to: oid, from: [oid], serialize: (value) => (isJson(value) ? value : JSON.stringify(value)), parse: JSON.parse });

function isJson(value) {
  if (typeof value !== "string") return false;
  try {
    JSON.parse(value);
    return true;
  } catch {
    return false;
  }
}

export default {
  api: { port: Number(wanted("AIAS_LITE_PORT")), schemas: ["public"], max_rows: 1000 },
  db: { migrations: { enabled: false } },
  auth: {
    enabled: true,
    site_url: "http://127.0.0.1:3000",
    jwt_secret: wanted("AIAS_LITE_JWT_SECRET"),
    jwt_expiry: 3600,
    enable_signup: true,
    publishable_key: wanted("AIAS_LITE_PUBLISHABLE_KEY"),
    secret_key: wanted("AIAS_LITE_SECRET_KEY"),
    email: { enable_confirmations: false },
  },
  connection: createPostgresConnection({
    url: wanted("AIAS_LITE_DATABASE_URL"),
    postgresOptions: { types: { json: json(114), jsonb: json(3802) } },
  }),
};
