"use strict";
const REFRESH_MS = 3000, STATES = ["all", "queued", "running", "done", "dead"];
const EDGES = { queued: "warn", running: "info", done: "good", dead: "bad" };
const TOKEN_KEY = "lastcall.token"; // the page of sessions asks for the same one
const base = location.pathname.replace(/\/$/, "");
let token = sessionStorage.getItem(TOKEN_KEY), state = "all", older = false, asked = 0;
const $ = id => document.getElementById(id);

function make(tag, text = "", name = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = name;
  return element;
}

async function ask(path, method = "GET") {
  const headers = { "X-Lastcall": "1", ...(token && { Authorization: "Bearer " + token }) };
  const answer = await fetch(base + path, { method, headers });
  if (answer.status === 401) { $("login").hidden = false; throw new Error("A token is needed."); }
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).detail || "Answer " + answer.status);
  $("login").hidden = true;
  return answer.json();
}

function say(text, edge = "bad") {
  $("state").textContent = text;
  $("state").className = "state " + edge;
}

const time = seconds => new Date(seconds * 1000).toLocaleString();
const plural = (count, word) => count + " " + word + (count === 1 ? "" : "s");

function item(delivery) {
  const edge = EDGES[delivery.state], element = make("article", "", "card " + edge), head = make("div", "", "head");
  const facts = make("ul", "", "facts"), replay = make("button", "Replay"), name = make("span", delivery.event, "site");
  element.dataset.id = delivery.delivery_id;
  const id = make("li");
  id.append(make("code", delivery.delivery_id));
  replay.disabled = delivery.state === "running";
  replay.setAttribute("aria-label", "Replay " + delivery.delivery_id);
  replay.onclick = () => run(delivery.delivery_id, replay);
  name.append(make("span", delivery.state, "tag " + edge));
  head.append(name, replay);
  facts.append(make("li", time(delivery.received_at)), make("li", plural(delivery.attempts, "attempt")), id);
  element.append(head, facts);
  if (delivery.last_error) element.append(make("code", delivery.last_error, "source"));
  element.append(details(delivery));
  return element;
}

function details(delivery) {
  const element = make("details"), body = make("pre");
  for (const [name, one] of Object.entries(delivery.handlers))
    element.append(make("div", name + ": " + (one.done ? "done" : plural(one.failures, "failure") + ", " + one.error), "soft"));
  element.prepend(make("summary", "Handlers and payload"));
  element.append(body);
  element.ontoggle = async () => {
    if (!element.open || body.textContent) return;
    try {
      const { payload } = await ask("/" + encodeURIComponent(delivery.delivery_id) + ".json");
      body.textContent = typeof payload === "string" ? payload : JSON.stringify(payload, null, 2);
    } catch (error) { body.textContent = error.message; }
  };
  return element;
}

async function run(id, button) {
  button.disabled = true;
  try { await ask("/" + encodeURIComponent(id) + "/replay", "POST"); await show(); }
  catch (error) { say(error.message); button.disabled = false; }
}

function buttons(counts) {
  const total = Object.values(counts).reduce((sum, one) => sum + one, 0);
  STATES.forEach((name, index) => {
    const button = $("states").children[index] || $("states").appendChild(make("button"));
    button.textContent = name + " " + (name === "all" ? total : counts[name]);
    button.setAttribute("aria-pressed", name === state);
    button.onclick = () => { state = name; older = false; show(); };
  });
}

async function show(before = "") {
  const number = ++asked;
  const query = new URLSearchParams({ limit: 50, ...(state !== "all" && { state }), ...(before && { before }) });
  try {
    const { deliveries, counts } = await ask(".json?" + query);
    if (number !== asked) return;
    buttons(counts);
    const items = deliveries.map(item);
    before ? $("list").append(...items) : $("list").replaceChildren(...items);
    $("more").hidden = deliveries.length < 50;
    say($("list").children.length ? "up to date" : "No deliveries here yet.", "good");
  } catch (error) { say(error instanceof TypeError ? "The service does not answer." : error.message); }
}

$("sessions").href = base.replace(/deliveries$/, "lastcall");
$("login").onsubmit = event => {
  event.preventDefault();
  token = $("token").value;
  sessionStorage.setItem(TOKEN_KEY, token);
  show();
};
$("more").onclick = () => { older = true; show($("list").lastElementChild.dataset.id); };
setInterval(() => {
  const reading = older || document.hidden || document.querySelector("details[open]");
  const using = document.activeElement && document.activeElement.closest("article, form");
  if (!reading && !using) show();
}, REFRESH_MS);
show();
