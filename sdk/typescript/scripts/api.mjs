// Writes src/api.ts, the types of requests and answers, from docs/reference/openapi.json.
// `--check` writes nothing and fails where the file is not what would be written.

import { readFileSync, writeFileSync } from "node:fs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
const { components } = JSON.parse(read("../../../docs/reference/openapi.json"));

function typeOf(schema, indent) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  for (const [words, glue] of [["oneOf", " | "], ["allOf", " & "]]) {
    if (schema[words]) return schema[words].map((one) => typeOf(one, indent)).join(glue);
  }
  if (schema.enum) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  const types = [schema.type ?? "unknown"].flat();
  return types.map((type) => named(type, schema, indent)).join(" | ");
}

function named(type, schema, indent) {
  switch (type) {
    case "integer":
    case "number":
      return "number";
    case "array": {
      const items = typeOf(schema.items, indent);
      return /[|&]/.test(items) ? `(${items})[]` : `${items}[]`;
    }
    case "object":
      if (schema.properties) return objectOf(schema, indent);
      return `Record<string, ${schema.additionalProperties ? typeOf(schema.additionalProperties, indent) : "unknown"}>`;
    default:
      return type; // string, boolean, null, unknown
  }
}

function objectOf({ properties, required = [] }, indent) {
  const lines = Object.entries(properties).map(([name, schema]) => {
    const optional = required.includes(name) ? "" : "?";
    return `${comment(schema.description, `${indent}  `)}${indent}  ${name}${optional}: ${typeOf(schema, `${indent}  `)};\n`;
  });
  return `{\n${lines.join("")}${indent}}`;
}

const comment = (text, indent) => (text ? `${indent}/** ${text.replaceAll("\n", " ").replaceAll("*/", "*\\/")} */\n` : "");

const types = Object.entries(components.schemas).map(
  ([name, schema]) => `${comment(schema.description, "")}export type ${name} = ${typeOf(schema, "")};\n`,
);
const text = `// Made by scripts/api.mjs from docs/reference/openapi.json: \`npm run api\` renews it.\n\n${types.join("\n")}`;

if (!process.argv.includes("--check")) {
  writeFileSync(new URL("../src/api.ts", import.meta.url), text);
} else if (read("../src/api.ts") !== text) {
  console.error("src/api.ts is not what docs/reference/openapi.json says: npm run api");
  process.exit(1);
}
