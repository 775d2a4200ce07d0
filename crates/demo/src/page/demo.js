"use strict";

// Each service is asked four times a second, as a busy page would, with whatever login is at hand.
const EVERY = 250;
const TICKS = 60;

const $ = (selector, within = document) => within.querySelector(selector);
// In this page's memory, and gone with it. A page behind TLS takes `cookie` mode; without TLS some
// browsers keep no such cookie. Held after the logout, too: that it is refused is what there is to see.
let token = null;
let live = false;
let account = null;

async function ask(method, path, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (body) headers["Content-Type"] = "application/json";
  const response = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  const retry = response.headers.get("Retry-After");
  return { ...(text && JSON.parse(text)), status: response.status, retry };
}

function tone(element, name) {
  element.classList.remove("well", "wrong", "unsure");
  if (name) element.classList.add(name);
}

function millis(value) {
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

class Service {
  constructor(name, title) {
    Object.assign(this, { name, title, linked: true, asking: false });
    const made = $("#service").content.cloneNode(true);
    [this.link, this.card] = made.children;
    for (const part of [this.link, this.card]) part.classList.add(name);
    const heading = $("h2", this.card);
    $("b", heading).textContent = title;
    heading.id = name;
    this.card.setAttribute("aria-labelledby", name);
    $(".log-out", this.card).addEventListener("click", () => logOut());
    this.shears = $(".shears", this.link);
    this.shears.addEventListener("click", () => this.turn());
    $(".stage").append(made);
  }

  async turn() {
    await ask("POST", `${this.name}/${this.linked ? "cut" : "mend"}`);
    await refresh();
  }

  async look() {
    const asked = token;
    this.asking = true;
    const answer = await ask("GET", `${this.name}/hello`).finally(() => (this.asking = false));
    // Another login has taken its place meanwhile.
    if (asked === token) this.show(answer);
  }

  show({ status, code, retry, hello }) {
    const [who, name] = status === 200 ? [`Hello ${hello}`, "well"]
      : status === 503 ? ["Cannot tell", "unsure"]
      : code === "token_missing" ? ["Who are you?", null]
      : ["Refused", "wrong"];
    if (status === 401 && token) live = false;
    const text = $(".who", this.card);
    if (text.textContent !== who) text.textContent = who;
    const detail = status === 200 ? "" : status === 503 ? `  Retry-After: ${retry}` : `  ${code}`;
    $(".answer code", this.card).textContent = `GET /hello  ${status}${detail}`;
    tone(this.card, name);
    const ticks = $(".ticks", this.card);
    const tick = document.createElement("i");
    // Of its own colour for good, whatever comes after.
    tick.className = name || "none";
    ticks.append(tick);
    while (ticks.childElementCount > TICKS) ticks.firstElementChild.remove();
    buttons();
  }

  know({ policy, lease, left, seq, floors, linked }) {
    this.linked = linked;
    $(".policy", this.card).textContent = policy;
    $(".silence", this.card).textContent = `${lease / 1000} s without news, then 503`;
    $(".lease b", this.card).textContent = left > 0 ? `${(left / 1000).toFixed(1)} s left` : "run out";
    $(".bar i", this.card).style.width = `${(100 * left) / lease}%`;
    this.card.classList.toggle("low", left < 0.3 * lease);
    $(".seq", this.card).textContent = `…${String(seq).slice(-9)}`;
    $(".floors", this.card).textContent = floors;
    this.link.classList.toggle("cut", !linked);
    this.shears.textContent = linked ? "Cut" : "Mend";
    this.shears.setAttribute("aria-label", `${linked ? "Cut" : "Mend"} the link of ${this.title}`);
  }
}

const services = [new Service("shop", "Shop"), new Service("library", "Library")];

function buttons() {
  $("#sign-in").disabled = live || !account;
  for (const button of document.querySelectorAll(".log-out, #everywhere")) button.disabled = !live;
  const login = live ? `${account.name} is signed in` : token ? "the login has ended" : "nobody is signed in";
  if ($("#login").textContent !== login) $("#login").textContent = login;
}

function time(name, value, verdict) {
  const row = $(`[data-time="${name}"]`);
  $("b", row).textContent = value === undefined ? "–" : millis(value);
  tone(row, value === undefined ? null : verdict);
}

async function refresh() {
  const known = await ask("GET", "status");
  account = known.account;
  $("#sign-in").textContent = `Sign in as ${account.name}`;
  for (const service of services) service.know(known.services[service.name]);
  buttons();
  // Of this login; that of the one before stays to be read.
  if (!known.logout) return;
  time("answered", known.logout.answered ?? undefined, "well");
  for (const service of services) {
    const { after, code } = known.logout.refused[service.name] || {};
    time(service.name, after, code === "unavailable" ? "unsure" : "wrong");
    const how = code === "unavailable" ? "says 503: no news" : "refuses";
    $(`[data-time="${service.name}"] span`).textContent = `${service.title} ${how}`;
  }
}

const everywhere = () => Promise.all([...services.map((service) => service.look()), refresh()]);

async function signIn() {
  const { name: username, password } = account;
  const answer = await ask("POST", "issuer/login", { username, password });
  if (answer.status !== 200) return;
  token = answer.access_token;
  live = true;
  await everywhere();
}

async function logOut(body) {
  live = false;
  buttons();
  await ask("POST", "issuer/logout", body);
  await everywhere();
}

$("#sign-in").addEventListener("click", signIn);
$("#everywhere").addEventListener("click", () => logOut({ all: true }));

async function turn() {
  const idle = services.filter((service) => !service.asking);
  const done = await Promise.allSettled([refresh(), ...idle.map((service) => service.look())]);
  $("#gone").hidden = done[0].status === "fulfilled";
}
setInterval(turn, EVERY);
turn();
