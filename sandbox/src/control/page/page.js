"use strict";

const SHOWN = 200;
const PATIENCE = 25;

const byId = (id) => document.getElementById(id);

/** An element with its attributes and what is in it; text stays text. */
function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

/** Calls a route, "METHOD /path/{name}", with its values, query and body; fails with words for people. */
async function call(route, { values = {}, query = {}, json, text, signal } = {}) {
  const [method, template] = route.split(" ");
  const path = template.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(values[name]));
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  const body = json === undefined ? text : JSON.stringify(json);
  let answer;
  try {
    answer = await fetch(path + search, { method, body, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(said.error ? sentence(said.error) : `The server answers ${answer.status}.`);
  return said;
}

/** An error of the control API without the name of its field, which stands beside the form anyway. */
function sentence(error) {
  const words = error.replace(/^`\w+`: /, "").replace(/`([^`]*)`/g, "“$1”");
  return `${words[0].toUpperCase()}${words.slice(1)}.`;
}

function tell(words, bad = false) {
  const notice = byId("notice");
  notice.textContent = words;
  notice.className = bad ? "bad" : "";
  notice.setAttribute("role", bad ? "alert" : "status");
  notice.hidden = false;
}

/** Does what a button is for; the button waits meanwhile, and a failure is told. */
async function pressed(button, act) {
  button.disabled = true;
  try {
    await act();
  } catch (error) {
    tell(error.message, true);
  } finally {
    button.disabled = false;
  }
}

/** Does what a form is for. */
function onSubmit(id, act) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    return pressed(event.target.querySelector("button"), () => act(event.target));
  });
}

const sleep = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
const number = (jid) => `+${jid.split("@")[0]}`;
const clock = (ms) => new Date(ms).toLocaleTimeString();
const counted = (count, one) => `${count} ${one}${count === 1 ? "" : "s"}`;

let phones = [];
let groups = [];
let drawn = "";

async function refresh() {
  const [listed, made, network] = await Promise.all([
    call("GET /admin/phones"), call("GET /admin/groups"), call("GET /admin/connections"),
  ]);
  phones = listed.phones;
  groups = made.groups;
  const now = JSON.stringify([phones, groups, network]);
  if (now === drawn) return;
  drawn = now;
  const mode = { open: "", refuse: ", new ones are refused", hang: ", the server hangs" }[network.mode];
  byId("summary").textContent =
    `${counted(phones.length, "phone")}, ${counted(network.open, "open connection")}${mode}.`;
  drawPhones();
  drawGroups();
}

/** A button that does one thing to what it stands beside; what comes of it is drawn anew. */
function gesture(words, route, values, json) {
  const act = (event) => pressed(event.target, async () => {
    await call(route, { values, json });
    tell(`Done: ${words.toLowerCase()}.`);
    await refresh();
  });
  return element("button", { type: "button", class: "quiet", onclick: act }, words);
}

function drawPhones() {
  const card = (phone) => {
    const devices = phone.devices.map((device) => {
      const on = phone.connected.includes(device);
      const unlink = gesture("Unlink", "DELETE /admin/phones/{name}/devices/{device}", { name: phone.name, device });
      return element("li", on ? { class: "on" } : {}, `Device ${device}: ${on ? "connected" : "away"} `, unlink);
    });
    const list = devices.length ? element("ul", {}, ...devices) : element("p", { class: "meta" }, "No linked device.");
    return element("li", {}, element("strong", {}, phone.name), ` ${number(phone.jid)}`, list);
  };
  const none = element("li", { class: "hint" }, "No phone yet. Add one, or link a device: its phone is made then.");
  byId("phones").replaceChildren(...(phones.length ? phones.map(card) : [none]));
  byId("phone-names").replaceChildren(...phones.map((phone) => element("option", { value: phone.name })));
  drawChats();

  const held = byId("held");
  const chosen = held.value;
  held.replaceChildren(...phones.map((phone) => element("option", { value: phone.name }, phone.name)));
  if (phones.some((phone) => phone.name === chosen)) held.value = chosen;
  if (held.value !== chosen) take();
}

function drawChats() {
  const people = phones.map((phone) => element("option", { value: phone.name }, number(phone.jid)));
  const rooms = groups.map((group) => element("option", { value: group.gid }, group.subject));
  byId("chats").replaceChildren(...people, ...rooms);
}

function drawGroups() {
  const card = (group) => {
    const role = { superadmin: " (creator)", admin: " (admin)", member: "" };
    const leave = (name) => gesture("Leave", "POST /admin/groups/{gid}/leave", { gid: group.gid }, { name });
    const members = group.members.map((one) => element("li", {}, `${one.name}${role[one.role]} `, leave(one.name)));
    const rules = [group.announce && "only admins write", group.locked && "only admins change it"].filter(Boolean);
    const waiting = group.requests.length ? [`asks to join: ${group.requests.join(", ")}`] : [];
    return element("li", {}, element("strong", {}, group.subject),
      element("p", { class: "meta" }, [group.gid, ...rules, ...waiting].join(", ")),
      element("ul", {}, ...members));
  };
  const none = element("li", { class: "hint" }, "No group yet.");
  byId("groups").replaceChildren(...(groups.length ? groups.map(card) : [none]));
  drawChats();
}

async function watchState() {
  for (;;) {
    try {
      await refresh();
    } catch (error) {
      drawn = "";
      byId("summary").textContent = error.message;
    }
    await sleep(2);
  }
}

/** Reads a list from its begin and goes on as long as nothing ends it; from the begin again if the server was away. */
async function follow(route, options, begin, take) {
  let after = 0;
  begin();
  for (;;) {
    try {
      const query = { ...options.query, after, limit: 1000, wait: PATIENCE };
      const page = await call(route, { ...options, query });
      after = page.next;
      take(page.entries);
    } catch (error) {
      if (error.name === "AbortError") return;
      await sleep(2);
      if (options.signal.aborted) return;
      after = 0;
      begin();
    }
  }
}

let journal = new AbortController();

function watchJournal() {
  journal.abort();
  journal = new AbortController();
  const rows = byId("journal");
  const query = { account: byId("filter-account").value.trim(), operation: byId("filter-operation").value.trim() };
  const begin = () => {
    rows.replaceChildren();
    byId("journal-empty").hidden = false;
  };
  follow("GET /admin/journal", { query, signal: journal.signal }, begin, (entries) => {
    for (const entry of entries.slice(-SHOWN)) {
      rows.prepend(element("tr", {},
        element("td", { class: "number" }, String(entry.sequence)),
        element("td", { class: "number" }, clock(entry.atMs)),
        element("td", {}, entry.account),
        element("td", {}, entry.operation),
        element("td", { class: "object" }, entry.object),
        element("td", { class: "detail" }, JSON.stringify(entry.detail))));
    }
    while (rows.children.length > SHOWN) rows.lastElementChild.remove();
    byId("journal-empty").hidden = rows.children.length > 0;
    if (entries.length) refresh().catch(() => {});
  });
}

let inbox = new AbortController();

/** Takes the chosen phone into the hand: its messages are listed from now on. */
function take() {
  inbox.abort();
  inbox = new AbortController();
  const name = byId("held").value;
  const list = byId("messages");
  list.replaceChildren();
  if (!name) return;
  const options = { values: { name }, signal: inbox.signal };
  follow("GET /admin/phones/{name}/messages", options, () => list.replaceChildren(), (entries) => {
    entries.forEach((message) => list.prepend(received(name, message)));
  });
}

/** The name of a chat, as a person would say it. */
function named(chat) {
  const group = groups.find((one) => one.gid === chat);
  const phone = phones.find((one) => one.jid === chat);
  return group?.subject ?? phone?.name ?? chat;
}

function received(name, message) {
  const where = message.fromMe || message.chat.endsWith("@g.us") ? ` in ${named(message.chat)}` : "";
  const device = message.senderDevice === 0 ? "phone" : `device ${message.senderDevice}`;
  const kind = message.kind === "text" ? "" : `, ${message.kind}`;
  const head = element("div", { class: "head" },
    element("span", { class: "meta" },
      `${message.sender} (${device})${where}, ${clock(message.timestamp * 1000)}${kind}`));
  if (!message.fromMe) head.append(element("button", { class: "quiet", onclick: (event) => read(event, name, message.id) }, "Mark as read"));
  head.append(gesture("React 👍", "POST /admin/phones/{name}/react", { name }, { id: message.id, emoji: "👍" }));
  return element("li", message.fromMe ? { class: "mine" } : {}, head,
    element("p", { class: "body" }, message.text ?? `(${message.kind} without text)`));
}

async function read(event, name, id) {
  const button = event.target;
  try {
    await call("POST /admin/phones/{name}/read", { values: { name }, json: { ids: [id] } });
    button.replaceWith(element("span", { class: "meta" }, "Read"));
  } catch (error) {
    tell(error.message, true);
  }
}

onSubmit("add-phone", async (form) => {
  const phone = await call("POST /admin/phones", { json: { name: byId("new-name").value.trim() } });
  tell(`The phone ${phone.name} has the number ${number(phone.jid)}.`);
  form.reset();
  await refresh();
});

onSubmit("link", async (form) => {
  const phone = byId("link-phone").value.trim();
  tell("The phone scans the code and waits for the client…");
  const linked = await call("POST /admin/mock-phone/scan-qr", { query: { phone }, text: byId("qr").value.trim() });
  tell(`Linked: device ${linked.device} of ${linked.phone}.`);
  form.reset();
  await refresh();
});

onSubmit("send", async () => {
  const name = byId("held").value;
  if (!name) throw new Error("There is no phone to send from. Add one first.");
  const to = byId("to").value.trim();
  const text = byId("text").value;
  const { id } = await call("POST /admin/phones/{name}/messages", { values: { name }, json: { to, text } });
  const head = element("div", { class: "head" },
    element("span", { class: "meta" }, `${name} (this phone) to ${named(to)}, ${clock(Date.now())}`),
    gesture("Take back", "POST /admin/phones/{name}/revoke", { name }, { id }));
  byId("messages").prepend(element("li", { class: "mine" }, head, element("p", { class: "body" }, text)));
  byId("text").value = "";
  tell(`Sent to ${named(to)}.`);
});

/** Typing shows in the chat, at most every few seconds. */
let typed = 0;
byId("text").addEventListener("input", () => {
  const name = byId("held").value;
  const to = byId("to").value.trim();
  if (!name || !to || Date.now() - typed < 5000) return;
  typed = Date.now();
  const json = { to, state: "composing" };
  call("POST /admin/phones/{name}/chat-state", { values: { name }, json }).catch(() => {});
});

let ringing;

/** Calls whoever is named beside it, or hangs up. */
byId("call").addEventListener("click", ({ target: button }) => pressed(button, async () => {
  if (ringing) {
    const { name, to, id } = ringing;
    ringing = undefined;
    button.textContent = "Call";
    await call("POST /admin/phones/{name}/hang-up", { values: { name }, json: { to, id } });
    tell("Hung up.");
  } else {
    const name = byId("held").value;
    const to = byId("to").value.trim();
    if (!name || !to) throw new Error("Choose a phone, and say whom it is to call.");
    const { id } = await call("POST /admin/phones/{name}/calls", { values: { name }, json: { to, video: false } });
    ringing = { name, to, id };
    button.textContent = "Hang up";
    tell(`It rings at ${named(to)}.`);
  }
}));

byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  watchJournal();
});
byId("held").addEventListener("change", take);

watchState();
watchJournal();
