import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";
import * as imported from "@headcount/node";

const require = createRequire(import.meta.url);

test("import and require give the same classes", () => {
  const required = require("@headcount/node");
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name], name);
});

test("the version is that of the package", () => {
  const { version } = require("@headcount/node/package.json");
  assert.equal(require("../dist/version.js").VERSION, version);
});
