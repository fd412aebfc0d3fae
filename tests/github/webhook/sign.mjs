// Signs every payload of @octokit/webhooks-examples with @octokit/webhooks-methods, one JSON object a line.
// Runs in the folder with node_modules; its argument is the secret.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const modules = process.cwd() + "/node_modules/@octokit/";
const { sign } = await import(pathToFileURL(modules + "webhooks-methods/dist-node/index.js").href);
const examples = JSON.parse(readFileSync(modules + "webhooks-examples/api.github.com/index.json", "utf8"));

for (const { name, examples: payloads } of examples)
  for (const payload of payloads) {
    const body = JSON.stringify(payload);
    console.log(JSON.stringify({ event: name, body, signature: await sign(process.argv[2], body) }));
  }
