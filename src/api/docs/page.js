// Draws the contract from the document that the gateway serves, and sends requests from it. The key lives in one input of
// the page: it goes into a header and nowhere else.
"use strict";

const byId = (id) => document.getElementById(id);
const base = new URL(".", document.baseURI).href.replace(/\/$/, "");
const methods = ["get", "post", "put", "patch", "delete"];
let contract;

/** An element with its properties, attributes and children; text is never read as markup. */
function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat().filter((child) => child !== undefined && child !== ""));
  return made;
}

/** Prose in which `code` stands between backticks. */
function prose(text = "") {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

const lastPart = (reference) => reference.split("/").pop();
const resolved = (schema = {}) => (schema.$ref ? contract.components.schemas[lastPart(schema.$ref)] : schema);

/** The fields of a schema, those of its parts included, and which of them are always there. */
function fieldsOf(schema) {
  const whole = resolved(schema);
  const parts = (whole.allOf ?? []).map(fieldsOf);
  return {
    properties: Object.assign({}, ...parts.map((part) => part.properties), whole.properties),
    required: [...parts.flatMap((part) => part.required), ...(whole.required ?? [])],
  };
}

/** The name of a type, linked where it has an entry of its own. */
function typeOf(schema = {}) {
  if (schema.$ref) {
    const name = lastPart(schema.$ref);
    return element("a", { href: `#schema-${name}` }, name);
  }
  if (schema.type === "array") return element("span", {}, "list of ", typeOf(schema.items));
  const named = [schema.type ?? "any"].flat().join(" or ");
  return element("span", {}, schema.format ? `${named} (${schema.format})` : named);
}

function table(heads, rows) {
  const head = element("tr", {}, heads.map((text) => element("th", { scope: "col" }, text)));
  const body = rows.map((cells) => element("tr", {}, cells.map((cell) => element("td", {}, cell))));
  return element("div", { className: "scroll" }, element("table", {}, element("thead", {}, head), element("tbody", {}, body)));
}

function fieldTable(schema) {
  const { properties, required } = fieldsOf(schema);
  const rows = Object.entries(properties).map(([name, field]) => [
    element("code", {}, name),
    [typeOf(field), required.includes(name) ? "" : element("span", { className: "quiet" }, " optional")],
    prose(field.description),
  ]);
  return rows.length ? table(["Field", "Type", "Meaning"], rows) : element("p", {}, typeOf(schema));
}

/** A value to try: what the document gives as an example, else the least that fits. */
function example(schema) {
  const whole = resolved(schema);
  if (whole.example !== undefined) return whole.example;
  if (whole.enum) return whole.enum[0];
  if (whole.type === "array") return [example(whole.items)];
  if (whole.type === "boolean") return true;
  if (whole.type === "integer" || whole.type === "number") return whole.minimum ?? 0;
  if (whole.type === "string") return "text";
  const { properties, required } = fieldsOf(whole);
  const shown = Object.entries(properties).filter(([name, field]) => required.includes(name) || resolved(field).example !== undefined);
  return Object.fromEntries(shown.map(([name, field]) => [name, example(field)]));
}

/** Every operation, in the order of the document's tags. */
function operations() {
  const all = Object.entries(contract.paths).flatMap(([path, item]) =>
    methods.filter((method) => item[method]).map((method) => ({ path, method, parameters: [], ...item[method] })));
  const named = (contract.tags ?? []).map((tag) => tag.name);
  const others = [...new Set(all.flatMap((one) => one.tags ?? ["others"]))].filter((name) => !named.includes(name));
  return [...named, ...others].map((name) => ({
    name,
    about: contract.tags?.find((tag) => tag.name === name)?.description,
    operations: all.filter((one) => (one.tags ?? ["others"])[0] === name),
  })).filter((group) => group.operations.length);
}

const isPublic = (operation) => (operation.security ?? []).some((way) => Object.keys(way).length === 0);

/** What a caller must have; the capability stands in the document as a role of each credential. */
function needs(operation) {
  if (isPublic(operation)) return "public";
  const roles = new Set((operation.security ?? []).flatMap((way) => Object.values(way).flat()));
  return roles.size ? `needs ${[...roles].join(", ")}` : "needs a key";
}

/** What goes over the wire for the values in a form. */
function request(operation, form) {
  const value = (name) => form.elements[name]?.value ?? "";
  const encoded = (text) => encodeURIComponent(text).replaceAll("%40", "@");
  const path = operation.path.replace(/\{(\w+)\}/g, (hole, name) => (value(`path.${name}`) ? encoded(value(`path.${name}`)) : hole));
  const asked = operation.parameters.filter((one) => one.in === "query" && value(`query.${one.name}`));
  const query = new URLSearchParams(asked.map((one) => [one.name, value(`query.${one.name}`)])).toString();
  const headers = {};
  if (value("accept") && value("accept") !== "application/json") headers.Accept = value("accept");
  if (form.elements.body) headers["Content-Type"] = "application/json";
  return {
    url: `${base}${path}${query && `?${query}`}`,
    method: operation.method.toUpperCase(),
    headers,
    body: form.elements.body?.value,
  };
}

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The same request for a shell, whose `KEY` holds the key. */
function curl(operation, form) {
  const { url, method, headers, body } = request(operation, form);
  const words = ["curl -i"];
  if (method !== "GET") words.push(`-X ${method}`);
  words.push(quoted(url));
  if (!isPublic(operation)) words.push('-H "Authorization: Bearer $KEY"');
  for (const [name, value] of Object.entries(headers)) words.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) words.push(`-d ${quoted(body)}`);
  if (headers.Accept?.startsWith("image/")) words[0] = "curl -o picture";
  return words.join(" ");
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    // Without a secure context there is no clipboard: the text is selected for the keyboard instead.
    getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

function asDataUrl(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** The key's header, if a key was given. */
const credential = () => (byId("key").value.trim() ? { Authorization: `Bearer ${byId("key").value.trim()}` } : {});

async function send(operation, form, result) {
  const { url, method, headers, body } = request(operation, form);
  result.replaceChildren(element("p", {}, "Sending…"));
  const begun = performance.now();
  try {
    const options = { method, body, cache: "no-store", credentials: "omit", headers: { ...headers, ...(isPublic(operation) ? {} : credential()) } };
    const response = await fetch(url, options);
    const taken = Math.round(performance.now() - begun);
    const status = element("span", { className: response.ok ? "good" : "bad" }, `${response.status} ${response.statusText}`);
    const lines = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    result.replaceChildren(
      element("p", {}, status, ` after ${taken} ms`),
      element("details", { open: true }, element("summary", {}, "Headers"), element("pre", { tabIndex: 0 }, lines)),
      await bodyOf(response),
    );
  } catch (error) {
    result.replaceChildren(element("p", { className: "bad" }, `No answer: ${error.message}`));
  }
}

async function bodyOf(response) {
  const media = response.headers.get("content-type") ?? "";
  if (media.startsWith("image/")) {
    return element("img", { className: "picture", alt: "The code to scan", src: await asDataUrl(await response.blob()) });
  }
  const text = await response.text();
  if (!text) return element("p", { className: "quiet" }, "No body.");
  const shown = media.startsWith("application/json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return element("pre", { tabIndex: 0, "aria-label": "Body" }, shown);
}

function tryForm(operation) {
  const label = (text, input) => element("label", {}, text, input);
  const inputs = operation.parameters.map((one) => {
    const input = element("input", { name: `${one.in}.${one.name}`, required: Boolean(one.required), spellcheck: false });
    if (one.in === "path" && byId(one.name)?.form === byId("settings")) {
      input.value = byId(one.name).value;
      input.setAttribute("list", byId(one.name).getAttribute("list"));
    }
    return label(`${one.name}${one.required ? "" : " (optional)"}`, input);
  });
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"))?.[1];
  const forms = Object.keys(good?.content ?? {});
  if (forms.length > 1) {
    inputs.push(label("Accept", element("select", { name: "accept" }, forms.map((media) => element("option", {}, media)))));
  }
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const body = schema && label("Body", element("textarea", { name: "body", spellcheck: false, value: JSON.stringify(example(schema), null, 2) }));
  const line = element("pre", { tabIndex: 0, "aria-label": "The request for a shell" });
  const copier = element("button", { type: "button" }, "Copy");
  const result = element("div", { role: "status" });
  const sender = element("button", { type: "submit" }, `Send ${operation.method.toUpperCase()}`);
  const form = element("form", { autocomplete: "off" }, element("div", { className: "fields" }, inputs), body ?? "",
    element("h3", {}, "For a shell"), element("div", {}, line, copier),
    element("div", { className: "row" }, sender, element("span", { className: "quiet" }, `to ${base}`)), result);
  const redraw = () => { line.textContent = curl(operation, form); };
  form.addEventListener("input", redraw);
  form.addEventListener("submit", (event) => { event.preventDefault(); send(operation, form, result); });
  copier.addEventListener("click", () => copy(line.textContent, copier));
  redraw();
  return form;
}

/** The code that goes with each status of an error, as the examples of the whole document have it. */
function codes() {
  const responses = Object.values(contract.paths).flatMap((item) => Object.values(item)).flatMap((one) => Object.entries(one.responses ?? {}));
  const known = responses.map(([status, response]) => [status, response.content?.["application/json"]?.example?.error?.code]);
  return Object.fromEntries(known.filter(([, code]) => code));
}

/** The answers: those that are promised with their bodies, and every error with its code. */
function answers(operation) {
  const known = codes();
  const rows = Object.entries(operation.responses).map(([status, response]) => {
    const contents = Object.entries(response.content ?? {});
    const bodies = contents.flatMap(([media, form], index) => [index ? ", " : ": ", media.startsWith("image/") ? media : typeOf(form.schema)]);
    const good = status.startsWith("2");
    return [
      [element("span", { className: good ? "good" : "bad" }, status), " ", known[status] ? element("code", {}, known[status]) : ""],
      [...prose(response.description), ...(good ? bodies : [])],
    ];
  });
  return [table(["Answer", "When"], rows), element("p", { className: "quiet" }, "The body of an error is ", typeOf({ $ref: "ApiError" }), ".")];
}

function drawn(operation) {
  const schema = operation.requestBody?.content?.["application/json"]?.schema;
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const shape = good?.[1].content?.["application/json"]?.schema;
  const parameters = operation.parameters.map((one) => [
    element("code", {}, one.name),
    one.in,
    [typeOf(one.schema), one.required ? "" : element("span", { className: "quiet" }, " optional")],
    prose(one.description),
  ]);
  return element("div", {},
    operation.description ? element("p", {}, prose(operation.description)) : "",
    element("p", { className: "quiet" }, "Operation ", element("code", {}, operation.operationId), `, ${needs(operation)}`),
    parameters.length ? [element("h3", {}, "Parameters"), table(["Name", "In", "Type", "Meaning"], parameters)] : "",
    schema ? [element("h3", {}, "Request body: ", typeOf(schema)), fieldTable(schema)] : "",
    element("h3", {}, "Answers"), answers(operation),
    shape ? [element("h3", {}, `${good[0]}: `, typeOf(shape)), fieldTable(shape)] : "",
    element("h3", {}, "Try it"), tryForm(operation));
}

/** A part that is filled when it is first opened: hundreds of tables that nobody looks at cost time. */
function foldable(properties, summary, fill) {
  const part = element("details", properties, element("summary", {}, summary));
  part.addEventListener("toggle", () => { if (part.open && part.children.length === 1) part.append(fill()); });
  return part;
}

function operationPart(operation) {
  const { method, path, summary = "" } = operation;
  return foldable({ id: operation.operationId, className: "operation" }, [
    element("span", { className: `method ${method}` }, method.toUpperCase()),
    element("span", { className: "path" }, path),
    element("span", { className: "needs" }, needs(operation)),
    element("span", { className: "title" }, prose(summary)),
  ], () => drawn(operation));
}

function schemaPart([name, schema]) {
  return foldable({ id: `schema-${name}`, className: "schema" }, [
    element("strong", {}, name),
    element("span", { className: "title" }, prose(schema.description)),
  ], () => element("div", {}, schema.enum ? element("p", {}, schema.enum.map((value) => [element("code", {}, value), " "]).flat()) : fieldTable(schema)));
}

/** Opens what the address names. */
function reveal() {
  const part = byId(decodeURIComponent(location.hash.slice(1)));
  if (!part?.matches(".operation, .schema")) return;
  part.open = true;
  part.scrollIntoView();
  part.querySelector("summary").focus({ preventScroll: true });
}

function draw() {
  document.title = `${contract.info.title} API`;
  byId("title").textContent = `${contract.info.title} ${contract.info.version}`;
  byId("about").replaceChildren(...prose(contract.info.description));
  const groups = operations();
  byId("index").replaceChildren(...groups.flatMap((group) => [
    element("p", {}, group.name),
    element("ul", {}, group.operations.map((one) => element("li", {}, element("a", { href: `#${one.operationId}` }, one.operationId)))),
  ]), element("p", {}, element("a", { href: "#schemas" }, "Schemas")));
  const sections = groups.map((group) => element("section", {},
    element("h2", { id: `tag-${group.name}` }, group.name), element("p", {}, prose(group.about)), group.operations.map(operationPart)));
  const schemas = Object.entries(contract.components.schemas).map(schemaPart);
  byId("contract").replaceChildren(...sections, element("section", {}, element("h2", { id: "schemas" }, "Schemas"), schemas));
  byId("contents").open = matchMedia("(min-width: 60rem)").matches;
  reveal();
}

async function listed(path) {
  const response = await fetch(`${base}/api/v1/${path}`, { headers: credential(), cache: "no-store", credentials: "omit" });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${answer.error.message}`);
  return answer.data;
}

/** Puts a value into the page's own field and into that of every form that is drawn. */
function choose(name, value) {
  byId(name).value = value;
  for (const input of document.querySelectorAll(`main input[name="path.${name}"]`)) {
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function offer(list, entries) {
  byId(list).replaceChildren(...entries.map(([value, label]) => element("option", { value, label })));
}

async function findGroups() {
  const groups = await listed(`sessions/${encodeURIComponent(byId("session").value)}/groups?limit=200`);
  offer("groups", groups.map((group) => [group.groupJid, group.subject ?? group.groupJid]));
  // In a group whose settings are not its admins' alone there is more to try.
  choose("gid", (groups.find((group) => !group.isLocked) ?? groups[0])?.groupJid ?? "");
  return groups.length;
}

async function find() {
  const found = byId("found");
  try {
    const sessions = await listed("sessions?limit=200");
    offer("sessions", sessions.map((session) => [session.id, `${session.label ?? session.id} (${session.status})`]));
    const session = sessions.find((one) => one.status === "working") ?? sessions[0];
    choose("session", session?.id ?? "");
    const groups = session ? await findGroups() : 0;
    found.textContent = `Found: sessions ${sessions.length}, groups of the chosen one ${groups}.`;
  } catch (error) {
    found.textContent = `Nothing was found. ${error.message}`;
  }
}

async function start() {
  byId("settings").addEventListener("submit", (event) => { event.preventDefault(); find(); });
  byId("gid").addEventListener("input", () => choose("gid", byId("gid").value));
  byId("session").addEventListener("input", () => choose("session", byId("session").value));
  byId("session").addEventListener("change", () => findGroups().catch(() => offer("groups", [])));
  addEventListener("hashchange", reveal);
  try {
    contract = await (await fetch(`${base}/api/v1/openapi.json`)).json();
    draw();
  } catch (error) {
    byId("loading").textContent = `The document cannot be read: ${error.message}`;
  }
}

start();
