// The peers on Node, in the folder with their node_modules: `node receiver.mjs octokit|probot PORT SECRET [KEY]`.
// With the file of a private key Probot is a GitHub App, its usual form, without one it has a token.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [which, port, secret, key] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(process.cwd() + "/node_modules/" + path).href);
const count = { handled: 0 };

if (which === "octokit") {
  const { Webhooks, createNodeMiddleware } = await load("@octokit/webhooks/dist-bundle/index.js");
  const webhooks = new Webhooks({ secret });
  webhooks.onAny(() => { count.handled += 1; });
  createServer(createNodeMiddleware(webhooks, { path: "/webhook" })).listen(Number(port), "127.0.0.1");
} else {
  const { createNodeMiddleware, Probot } = await load("probot/lib/index.js");
  const identity = key ? { appId: 1, privateKey: readFileSync(key, "utf8") } : { githubToken: "token" };
  const probot = new Probot({ ...identity, secret, logLevel: "fatal" });
  const app = (probot) => { probot.onAny(() => { count.handled += 1; }); };
  const middleware = await createNodeMiddleware(app, { probot, webhooksPath: "/webhook" });
  createServer(middleware).listen(Number(port), "127.0.0.1");
}
